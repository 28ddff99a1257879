/* A small character map in the form of tokenizer.json: A to a, e and a following acute accent to one letter,
   the ligature fi to "fi", a soft hyphen to nothing. */
#ifndef TESTS_TEXT_CHARSMAP_TEXT_H
#define TESTS_TEXT_CHARSMAP_TEXT_H

#include "ranks_text.h"

static const char charsmap_texts[] = "a\0\xC3\xA9\0fi\0";

/* A transition from one node by one byte to another; text: offset in charsmap_texts of the replacement of the
   string that ends there, or -1. */
static const struct charsmap_step {
    uint32_t from, to;
    uint8_t byte;
    int text;
} charsmap_steps[] = {{0, 1, 'A', 0},   {0, 2, 'e', -1}, {2, 3, 0xCC, -1}, {3, 4, 0x81, 2}, {0, 5, 0xEF, -1},
                      {5, 6, 0xAC, -1}, {6, 7, 0x81, 5}, {0, 8, 0xC2, -1}, {8, 9, 0xAD, 8}};

/* Each node has 256 separate units, so that no two overlap. */
#define CHARSMAP_UNITS (256 * 10)
#define CHARSMAP_BYTES (4 + 4 * CHARSMAP_UNITS + sizeof charsmap_texts)

static inline void charsmap_unit(uint8_t *bytes, size_t place, uint32_t unit)
{
    for (size_t i = 0; i < 4; i++)
        bytes[4 + 4 * place + i] = (uint8_t)(unit >> 8 * i);
}

/* Fills bytes: (CHARSMAP_BYTES). */
static inline void charsmap_fill(uint8_t *bytes)
{
    memset(bytes, 0, CHARSMAP_BYTES);
    bytes[0] = (uint8_t)(4 * CHARSMAP_UNITS & 0xFF);
    bytes[1] = (uint8_t)(4 * CHARSMAP_UNITS >> 8);
    for (size_t i = 0; i < sizeof charsmap_steps / sizeof *charsmap_steps; i++) {
        const struct charsmap_step *s = &charsmap_steps[i];
        uint32_t place = 256 * s->from + s->byte, leaf = s->text >= 0 ? 1u << 8 : 0;
        charsmap_unit(bytes, place, (place ^ 256 * s->to) << 10 | leaf | s->byte);
        if (leaf)
            charsmap_unit(bytes, 256 * s->to, 1u << 31 | (uint32_t)s->text);
    }
    memcpy(bytes + 4 + 4 * CHARSMAP_UNITS, charsmap_texts, sizeof charsmap_texts);
}

/* A tokenizer of characters with the map of these bytes; ids 0 to 9: ? a e b f i, the accent, the letter with
   it, the ligature, A. */
static inline byte_buffer charsmap_json(const uint8_t *bytes, size_t size)
{
    static const char before[] = "{\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"",
                      behind[] =
                          "\"},\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"merges\":[],\"vocab\":"
                          "{\"?\":0,\"a\":1,\"e\":2,\"b\":3,\"f\":4,\"i\":5,\"\xCC\x81\":6,"
                          "\"\xC3\xA9\":7,\"\xEF\xAC\x81\":8,\"A\":9}}}";
    byte_buffer b = {0};
    buf_add(&b, before, sizeof before - 1, NULL);
    base64_add(&b, (const char *)bytes, size);
    buf_add(&b, behind, sizeof behind - 1, NULL);
    return b;
}

#endif
