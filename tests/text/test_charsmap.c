/* The normalizer Precompiled: maps as in real files, and maps that refer to places out of range. */
#include "charsmap_text.h"
#include "encodes.h"

static uint8_t bytes[CHARSMAP_BYTES];

static sib_code open_map(size_t size, sib_tokenizer **t, sib_error *err)
{
    byte_buffer json = charsmap_json(bytes, size);
    sib_code code = sib_tokenizer_open_bytes("t", json.data, json.n, NULL, t, err);
    buf_free(&json);
    return code;
}

TEST(test_clusters)
{
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    charsmap_fill(bytes);
    CHECK_OK(open_map(CHARSMAP_BYTES, &t, &err), err);
    CHECK_IDS(t, "Ab", 1, 3);
    CHECK_IDS(t, "e\xCC\x81", 7);
    CHECK_IDS(t, "e", 2);
    CHECK_IDS(t,
              "A\xCC\x81"
              "b",
              1, 3); /* a cluster of three bytes: the accent is dropped */
    CHECK_IDS(t,
              "A\xCC\x81\xCC\x81"
              "b",
              1, 3);                                       /* five */
    CHECK_IDS(t, "A\xCC\x81\xCC\x81\xCC\x81", 1, 6, 6, 6); /* seven: mapped character by character */
    CHECK_IDS(t, "\xEF\xAC\x81", 4, 5);
    CHECK_IDS(t,
              "b\xC2\xAD"
              "b",
              3, 3);
    CHECK_IDS(t,
              "\xEF\xAC"
              "A",
              0, 0, 1); /* not a character: it stays */
    CHECK_IDS(t, "b\xCC", 3, 0);
    sib_tokenizer_free(&t);
}

static void expect_fault(size_t size, const char *words)
{
    sib_tokenizer *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    char whole[100];
    snprintf(whole, sizeof whole, "normalizer/precompiled_charsmap: %s", words);
    CHECK_FAILS(open_map(size, &t, &err), SIB_ERR_FORMAT, err, whole);
    assert_null(t);
}

TEST(test_faults)
{
    static const char size[] = "the size of the map's trie";
    for (size_t n = 0; n < 4; n++) {
        charsmap_fill(bytes);
        expect_fault(n, size);
    }
    expect_fault(4 * CHARSMAP_UNITS, size); /* the trie is truncated */
    static const uint8_t sizes[][4] = {{0, 0, 0, 0}, {3, 0, 0, 0}, {5, 0, 0, 0}, {0, 0, 0, 0xF0}};
    for (size_t i = 0; i < 4; i++) {
        charsmap_fill(bytes);
        memcpy(bytes, sizes[i], 4);
        expect_fault(CHARSMAP_BYTES, size);
    }
    charsmap_fill(bytes);
    charsmap_unit(bytes, 'A', CHARSMAP_UNITS << 10 | 1u << 8 | 'A');
    expect_fault(CHARSMAP_BYTES, "the map's trie has an index out of range");
    charsmap_fill(bytes);
    charsmap_unit(bytes, 256, 1u << 31 | (uint32_t)(sizeof charsmap_texts + 1));
    expect_fault(CHARSMAP_BYTES, "the map's trie points outside the texts");
    charsmap_unit(bytes, 256, 1u << 31 | 3); /* the second byte of a letter */
    expect_fault(CHARSMAP_BYTES, "the map's trie points outside the texts");
    charsmap_fill(bytes);
    bytes[4 + 4 * CHARSMAP_UNITS] = 0xFF;
    expect_fault(CHARSMAP_BYTES, "the texts of the map are not UTF-8");
    static const char *const values[] = {"5", "\"A\"", "\"*A==\"", "null"};
    for (size_t i = 0; i < 4; i++) {
        char text[200];
        sib_tokenizer *t = NULL;
        sib_error err = SIB_ERROR_INIT;
        snprintf(text, sizeof text,
                 "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":%s},\"model\":{}}",
                 values[i]);
        CHECK_FAILS(sib_tokenizer_open_bytes("t", text, strlen(text), NULL, &t, &err), SIB_ERR_FORMAT, err,
                    "precompiled_charsmap");
    }
}

/* Nodes out of range or in cycles end a search. */
TEST(test_lost_nodes)
{
    static const uint32_t offsets[] = {CHARSMAP_UNITS, 0x3FFFFF, 'e', 'e' ^ 'A'};
    for (size_t i = 0; i < 4; i++) {
        sib_tokenizer *t;
        sib_error err = SIB_ERROR_INIT;
        charsmap_fill(bytes);
        charsmap_unit(bytes, 'e', offsets[i] << 10 | (i & 1 ? 1u << 9 : 0) | 'e');
        charsmap_unit(bytes, 256, 1u << 31 | sizeof charsmap_texts); /* the end of the texts: empty */
        CHECK_OK(open_map(CHARSMAP_BYTES, &t, &err), err);
        CHECK_IDS(t, "beeA", 3, 2, 2);
        sib_tokenizer_free(&t);
    }
}

TEST(test_memory)
{
    charsmap_fill(bytes);
    byte_buffer json = charsmap_json(bytes, CHARSMAP_BYTES);
    check_memory(json.data, json.n, NULL, "Abe\xCC\x81");
    buf_free(&json);
}
