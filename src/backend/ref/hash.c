/* Hashes of the bytes of strings and numbers. */
#include "backend/ref/kernel.h"

#include <string.h>

/* ---- 32 bits --------------------------------------------------------------------------------------------- */

static uint32_t rotated(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static uint32_t mixed(uint32_t block)
{
    return rotated(block * 0xcc9e2d51u, 15) * 0x1b873593u;
}

/* MurmurHash3_x86_32: Appleby 2011. */
static uint32_t murmur3(const uint8_t *data, size_t n, uint32_t seed)
{
    uint32_t hash = seed, tail = 0;
    size_t blocks = n / 4;
    for (size_t i = 0; i < blocks; i++) {
        const uint8_t *at = data + 4 * i;
        uint32_t block =
            (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
        hash = rotated(hash ^ mixed(block), 13) * 5 + 0xe6546b64u;
    }
    for (size_t i = n; i > 4 * blocks; i--)
        tail = tail << 8 | data[i - 1];
    hash ^= mixed(tail) ^ (uint32_t)n;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}

sib_code ref_murmur3(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    uint32_t seed = (uint32_t)spec_murmur(c->node).seed;
    size_t bits = sib_dtype_bits(x->dtype);
    if (x->dtype != SIB_STRING && (bits < 8 || bits % 8))
        return ref_fail(c, SIB_ERR_VALUE, "of %s, expected strings or numbers of bytes",
                        sib_dtype_name(x->dtype));
    for (size_t i = 0; out && i < x->count; i++) {
        sib_str s = x->dtype == SIB_STRING ? ((const sib_str *)x->data)[i]
                                           : (sib_str){(const char *)x->data + i * (bits / 8), bits / 8};
        ((uint32_t *)out->data)[i] = murmur3((const uint8_t *)s.data, s.length, seed);
    }
    return SIB_OK;
}

/* ---- 64 bits --------------------------------------------------------------------------------------------- */

/* The next n <= 8 bytes, the lowest first. */
static uint64_t bytes_at(const uint8_t *at, size_t n)
{
    uint64_t x = 0;
    for (size_t i = n; i-- > 0;)
        x = x << 8 | at[i];
    return x;
}

/* MurmurHash64A: Appleby 2008. */
static uint64_t murmur64(const uint8_t *s, size_t n, const milli_murmur64_spec *spec)
{
    const uint64_t factor = 0xc6a4a7935bd1e995u;
    uint64_t hash = (uint64_t)spec->seed ^ (uint64_t)n * factor;
    for (; n >= 8; n -= 8, s += 8) {
        uint64_t block = bytes_at(s, 8) * factor;
        hash = (hash ^ (block ^ block >> 47) * factor) * factor;
    }
    if (n || spec->tail)
        hash = (hash ^ bytes_at(s, n)) * factor;
    hash = (hash ^ hash >> 47) * factor;
    return hash ^ hash >> 47;
}

sib_code ref_murmur64(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    milli_murmur64_spec spec = spec_milli_murmur64(c->node);
    for (size_t i = 0; out && i < x->count; i++) {
        sib_str s = ((const sib_str *)x->data)[i];
        ((uint64_t *)out->data)[i] = murmur64((const uint8_t *)s.data, s.length, &spec);
    }
    return SIB_OK;
}
