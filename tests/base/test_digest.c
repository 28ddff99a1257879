/* SHA-256 against published digests, and the keyed hash against SipHash-1-3 written from its paper; the source is included
   so that the key is known. */
#include "check.h"

#include "base/hash.c"

static void digest(const char *data, size_t n, size_t piece, char text[SIB_SHA256_TEXT])
{
    sib_sha256 h;
    sib_sha256_begin(&h);
    for (size_t at = 0; at < n; at += piece)
        sib_sha256_add(&h, data + at, n - at < piece ? n - at : piece);
    sib_sha256_end(&h, text);
}

TEST_ALONE(published_digests)
{
    static const struct {
        const char *text, *digest;
    } cases[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    char text[SIB_SHA256_TEXT];
    for (size_t i = 0; i < COUNT(cases); i++) {
        digest(cases[i].text, strlen(cases[i].text), 64, text);
        assert_string_equal(text, cases[i].digest);
    }
}

/* The digest of the digests of 0 to 199 bytes, by Python's hashlib; pieces of any length make the same. */
TEST_ALONE(digests_of_every_length)
{
    char data[200], text[SIB_SHA256_TEXT], other[SIB_SHA256_TEXT];
    sib_sha256 all;
    sib_sha256_begin(&all);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    for (size_t n = 0; n < sizeof data; n++) {
        digest(data, n, sizeof data, text);
        for (size_t piece = 1; piece < 140; piece += 23) {
            digest(data, n, piece, other);
            assert_string_equal(other, text);
        }
        sib_sha256_add(&all, text, 64);
    }
    sib_sha256_end(&all, text);
    assert_string_equal(text, "ca07a79e06ea4c825585cbbf34308733cb36356746a5eec888d7f813ec003999");
}

#define ROTATED(x, bits) ((x) << (bits) | (x) >> (64 - (bits)))

static void rounds(uint64_t *a, uint64_t *b, uint64_t *c, uint64_t *d, int n)
{
    for (; n > 0; n--) {
        *a += *b, *b = ROTATED(*b, 13), *b ^= *a, *a = ROTATED(*a, 32);
        *c += *d, *d = ROTATED(*d, 16), *d ^= *c;
        *a += *d, *d = ROTATED(*d, 21), *d ^= *a;
        *c += *b, *b = ROTATED(*b, 17), *b ^= *c, *c = ROTATED(*c, 32);
    }
}

static uint64_t siphash(uint64_t k0, uint64_t k1, const unsigned char *data, size_t n)
{
    uint64_t a = k0 ^ 0x736f6d6570736575u, b = k1 ^ 0x646f72616e646f6du, c = k0 ^ 0x6c7967656e657261u,
             d = k1 ^ 0x7465646279746573u;
    for (size_t at = 0; at <= n; at += 8) {
        uint64_t word = 0;
        for (size_t i = 0; i < 8; i++)
            word |= (uint64_t)(at + i < n ? data[at + i] : i == 7 ? n & 255 : 0) << 8 * i;
        d ^= word;
        rounds(&a, &b, &c, &d, 1);
        a ^= word;
    }
    c ^= 0xff;
    rounds(&a, &b, &c, &d, 3);
    return a ^ b ^ c ^ d;
}

TEST_ALONE(the_hash_is_siphash_under_a_drawn_key)
{
    unsigned char data[300];
    check_random random = {5};
    check_fill(&random, data, sizeof data);
    hash_bytes(data, 1);
    assert_true(key[0] != 0 && key[1] != 0 && key[0] != key[1]);
    for (size_t n = 0; n <= sizeof data; n++)
        assert_true(hash_bytes(data, n) == siphash(key[0], key[1], data, n));
}
