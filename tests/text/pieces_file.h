/* A small file of SentencePiece: pieces 0 to 11 are <unk>, <s>, U+2581, a, b, ab, a word "ab", the letter e with an accent, "fi", a
   user-defined "AA", and the bytes C3 and A9, with the map of charsmap_text.h. */
#ifndef TESTS_TEXT_PIECES_FILE_H
#define TESTS_TEXT_PIECES_FILE_H

#include "charsmap_text.h"

static inline void pieces_file_varint(byte_buffer *b, size_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_add(b, (const char[]){(char)(0x80 | (value & 0x7F))}, 1, NULL);
    buf_add(b, (const char[]){(char)value}, 1, NULL);
}

static inline void pieces_file_bytes(byte_buffer *b, unsigned field, const void *data, size_t size)
{
    pieces_file_varint(b, field << 3 | 2);
    pieces_file_varint(b, size);
    buf_add(b, data, size, NULL);
}

static inline void pieces_file_piece(byte_buffer *b, const char *text, float score, unsigned type)
{
    byte_buffer piece = {0};
    uint32_t bits;
    memcpy(&bits, &score, 4);
    pieces_file_bytes(&piece, 1, text, strlen(text));
    pieces_file_varint(&piece, 2 << 3 | 5);
    for (int i = 0; i < 4; i++)
        buf_add(&piece, (const char[]){(char)(bits >> 8 * i)}, 1, NULL);
    pieces_file_varint(&piece, 3 << 3);
    pieces_file_varint(&piece, type);
    pieces_file_bytes(b, 1, piece.data, piece.n);
    buf_free(&piece);
}

/* model: 1 unigram, 2 byte pairs. */
static inline byte_buffer pieces_file(unsigned model)
{
    static const struct {
        const char *text;
        float score;
        unsigned type;
    } pieces[] = {{"<unk>", 0, 2},
                  {"<s>", 0, 3},
                  {"\xE2\x96\x81", -3, 1},
                  {"a", -4, 1},
                  {"b", -4, 1},
                  {"ab", -2, 1},
                  {"\xE2\x96\x81"
                   "ab",
                   -1, 1},
                  {"\xC3\xA9", -5, 1},
                  {"fi", -5, 1},
                  {"AA", 0, 4},
                  {"<0xC3>", 0, 6},
                  {"<0xA9>", 0, 6}};
    static uint8_t map[CHARSMAP_BYTES];
    byte_buffer b = {0}, part = {0};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        pieces_file_piece(&b, pieces[i].text, pieces[i].score, pieces[i].type);
    pieces_file_bytes(&b, 2, (const char[]){3 << 3, (char)model}, 2);
    charsmap_fill(map);
    pieces_file_bytes(&part, 2, map, sizeof map);
    pieces_file_bytes(&b, 3, part.data, part.n);
    buf_free(&part);
    return b;
}

/* The same in a tokenizer.json with ids of its own: pieces but for "ab" at ids from 4 on, <pad> at 3. */
static inline byte_buffer pieces_file_json(unsigned model)
{
    byte_buffer b = {0}, file = pieces_file(model);
    static const char before
        [] = "{\"model\":{\"type\":\"SentencePiece\",\"file\":\"",
  behind[] =
        "\",\"prefix\":\"first\",\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,\"<s>\":1,\"</"
        "s>\":2,\"<pad>\":3,"
        "\"\xE2\x96\x81\":4,\"a\":5,\"b\":6,\"\xE2\x96\x81"
        "ab\":7,\"\xC3\xA9\":8,\"<0xC3>\":9,\"<0xA9>\":10,\"other\":11}},"
        "\"added_tokens\":[{\"id\":1,\"content\":\"<s>\",\"special\":true},{\"id\":12,\"content\":\"<m>\","
        "\"special\":true,"
        "\"lstrip\":true}],\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{"
        "\"id\":\"A\"}},"
        "{\"SpecialToken\":{\"id\":\"</s>\"}}],\"special_tokens\":{\"</s>\":{\"id\":\"</s>\",\"ids\":[2]}}}}";
    buf_add(&b, before, sizeof before - 1, NULL);
    base64_add(&b, file.data, file.n);
    buf_add(&b, behind, sizeof behind - 1, NULL);
    buf_free(&file);
    return b;
}

#endif
