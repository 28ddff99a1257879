/* Pieces with scores, byte-level lists with merges, and the trie of RWKV World, small enough to check by
   hand. */
#include "encodes.h"
#include "pieces_file.h"
#include "seeds.h"

#include "text/pieces/pieces.h"

static sib_tokenizer *open_text(const char *document, const char *kind)
{
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tokenizer_open_bytes("t", document, strlen(document), NULL, &t, &err), err);
    sib_tokenizer_info info;
    sib_tokenizer_get_info(t, &info);
    assert_string_equal(info.kind, kind);
    return t;
}

TEST(test_scores)
{
    sib_tokenizer *t = open_text(scored, "pieces");
    CHECK_IDS(t, "ab", 11);
    CHECK_IDS(t, "aba", 11, 5); /* of equal scores, the left pair first */
    CHECK_IDS(t, "bab a", 4, 9, 6, 8);
    CHECK_IDS(t, "a<u>a", 8, 10, 5);
    CHECK_IDS(t, "\xC3\xA9zza", 4, 2, 3, 0, 5);
    CHECK_IDS(t, "\xC3", 4, 2);
    CHECK_TOKENS(t, "a<s>a", 8, 1, 8);
    CHECK_IDS(t, "<s", 4, 0); /* unknown ones are one id */
    CHECK_TEXT(t, "ab a", 11, 8);
    CHECK_TEXT(t, "\xC3\xA9", 4, 2, 3);
    check_text_of(t, IDS(1, 8, 1, 8), true, "a a");
    CHECK_TEXT(t, "<s>a \xE2\x81\x87 ", 1, 8, 0);
    sib_tokenizer_free(&t);
}

TEST(test_unigram)
{
    sib_tokenizer *t = open_text(trimmed, "pieces");
    CHECK_IDS(t, "  ab   aab ", 4, 1, 2, 2, 3);
    CHECK_IDS(t, "abxyb", 4, 0, 3);
    CHECK_IDS(t, "   ", -1);
    CHECK_TEXT(t, "ab a", 4, 1, 2);
    sib_tokenizer_free(&t);
}

TEST(test_merges)
{
    sib_tokenizer *t = open_text(merged, "pieces");
    CHECK_IDS(t, "ab ab ba", 3, 4, 2, 1, 0);
    CHECK_IDS(t, "11", 6, 6); /* every digit is a piece */
    CHECK_TOKENS(t, "a<|e|>b", 0, 5, 1);
    CHECK_TEXT(t, "ab ab<|e|>", 3, 4, 5);
    sib_tokenizer_free(&t);
}

TEST(test_lists)
{
    static const sib_str pieces[] = {{"<unk>", 5}, {"a", 1}, {"aa", 2}, {"\0", 1}};
    static const double scores[] = {0, -1, -0.5, -3};
    static const int32_t types[] = {PIECE_UNKNOWN, PIECE_NORMAL, PIECE_NORMAL, PIECE_NORMAL};
    pieces_source s = {
        .name = "lists", .model = "bpe", .n = 4, .pieces = pieces, .scores = scores, .types = types};
    sib_tokenizer *t;
    sib_tokenizer_info info;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(tokenizer_of_pieces(&s, 10, &t, &err), err);
    sib_tokenizer_get_info(t, &info);
    assert_int_equal(info.n_vocab, 10);
    CHECK_IDS(t, "aaa b", 2, 1, 0);
    sib_tokenizer_free(&t);
    CHECK_FAILS(tokenizer_of_pieces(&s, 3, &t, &err), SIB_ERR_VALUE, err, "the model has 3");
    s.scores = NULL;
    CHECK_FAILS(tokenizer_of_pieces(&s, 0, &t, &err), SIB_ERR_FORMAT, err,
                "piece 0, '<unk>', must have a number as score");
}

/* ---- Files of SentencePiece ------------------------------------------------------------------------------ */

static sib_tokenizer *open_buffer(byte_buffer b, const char *kind)
{
    sib_tokenizer *t;
    sib_tokenizer_info info;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tokenizer_open_bytes("t", b.data, b.n, NULL, &t, &err), err);
    sib_tokenizer_get_info(t, &info);
    assert_string_equal(info.kind, kind);
    buf_free(&b);
    return t;
}

TEST(test_file)
{
    for (unsigned model = 1; model <= 2; model++) {
        sib_tokenizer *t = open_buffer(pieces_file(model), "sentencepiece");
        CHECK_IDS(t, " ab  ab ", 6, 6);
        CHECK_IDS(t, "Ab", 6);            /* the map has A as a */
        CHECK_IDS(t, "aAAb", 2, 3, 9, 4); /* but not in a user-defined piece */
        CHECK_IDS(t, "\xEF\xAC\x81", 2,
                  model == 1 ? 8 : 0); /* one ligature is two letters, which are no pieces alone */
        CHECK_IDS(t, "e\xCC\x81", 2, 7);
        CHECK_IDS(t,
                  "a\xC2\xAD"
                  "b",
                  6); /* a soft hyphen is nothing */
        CHECK_IDS(t, "x<s>", 2, 0);
        CHECK_TOKENS(t, "ab<s>", 6, 1);
        CHECK_TEXT(t, "ab a\xC3\xA9 \xE2\x81\x87 ", 6, 2, 3, 10, 11, 0);
        sib_tokenizer_free(&t);
    }
}

TEST(test_file_in_json)
{
    sib_tokenizer *t = open_buffer(pieces_file_json(1), "tokenizer.json");
    CHECK_IDS(t, "ab b", 7, 4, 6);
    CHECK_IDS(t, "bab", 4, 6, 0); /* a piece that is not in the vocabulary */
    CHECK_TOKENS(t, "ab <m>ab", 7, 12, 0, 2);
    CHECK_TOKENS(t, "<s>ab", 1, 0, 2);
    check_text_of(t, IDS(7, 4, 6, 12, 11, 2, 3), true, "ab bother</s><pad>");
    check_text_of(t, IDS(1, 7, 9, 10), false, "<s>ab\xC3\xA9");
    sib_tokenizer_free(&t);
}

/* ---- RWKV World ---------------------------------------------------------------------------------------- */

TEST(test_world)
{
    sib_tokenizer *t = open_text(world, "rwkv-world");
    CHECK_IDS(t, "aab'ab\n", 1, 3, 10, 6);
    CHECK_IDS(t, "\xFF\xFE\xC3\xA9\xE4\xB8\xAD\\", 5, 7, 8, 9);
    CHECK_TOKENS(t, "a<|endoftext|>b", 1, 0, 2);
    CHECK_TEXT(t, "\xFF\xFE\n", 5, 6);
    int32_t *ids;
    size_t n;
    char *text;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = sib_tokenizer_encode(t, "abc", 3, SIB_SPECIAL_AS_TEXT, &ids, &n, &err);
    assert_int_equal(err.offset, 2);
    CHECK_FAILS(code, SIB_ERR_VALUE, err, "byte 0x63 at 2");
    CHECK_FAILS(sib_tokenizer_decode(t, IDS(4), 1, false, &text, &n, &err), SIB_ERR_VALUE, err, "id 4");
    sib_tokenizer_free(&t);
}

/* ---- Bad files ----------------------------------------------------------------------------------------- */

#define PIECES(parts) "{\"kind\":\"pieces\"," parts "}"

static const struct {
    const char *text;
    sib_code code;
    const char *words;
} bad[] = {
    {PIECES("\"model\":\"runes\",\"pieces\":[\"a\"],\"scores\":[0]"), SIB_ERR_UNSUPPORTED, "'runes'"},
    {PIECES("\"model\":\"gpt2\",\"pre\":\"x\",\"pieces\":[\"a\"]"), SIB_ERR_UNSUPPORTED, "pre-tokenizer 'x'"},
    {PIECES("\"model\":\"bpe\",\"pieces\":[1],\"scores\":[0]"), SIB_ERR_FORMAT, "pieces[0]: is not a string"},
    {PIECES("\"model\":\"bpe\",\"pieces\":[\"a\"],\"scores\":[0,1]"), SIB_ERR_FORMAT,
     "scores: must have as many"},
    {PIECES("\"model\":\"bpe\",\"pieces\":[\"a\"],\"scores\":[\"b\"]"), SIB_ERR_FORMAT, "scores[0]"},
    {PIECES("\"model\":\"bpe\",\"pieces\":[\"a\"],\"scores\":[0],\"types\":[9]"), SIB_ERR_FORMAT,
     "piece 0, 'a', has an unknown type"},
    {PIECES("\"model\":\"bpe\",\"pieces\":[\"a\"],\"scores\":[0],\"types\":[6]"), SIB_ERR_FORMAT,
     "as <0x0A>"},
    {PIECES("\"model\":\"bpe\",\"pieces\":[\"a\",\"b\"],\"scores\":[0,0],\"types\":[2,2]"), SIB_ERR_FORMAT,
     "second unknown"},
    {PIECES("\"model\":\"bpe\",\"pieces\":[\"a\",\"a\"],\"scores\":[0,0]"), SIB_ERR_FORMAT, "same bytes 'a'"},
    {PIECES("\"model\":\"gpt2\",\"pieces\":[\"a\"],\"merges\":[\"a a\"]"), SIB_ERR_FORMAT,
     "merge 0, 'a a', is not of tokens"},
    {PIECES("\"model\":\"gpt2\",\"pieces\":[\"a\"],\"merges\":[\"a \"]"), SIB_ERR_FORMAT, "is not a pair"},
    {PIECES("\"model\":\"gpt2\",\"pieces\":[\"a\",\"aa\"],\"merges\":[\"a a\",\"a a\"]"), SIB_ERR_FORMAT,
     "occurs twice"},
    {"1 'a' 1\n1 'b' 1\n", SIB_ERR_FORMAT, "id 1 occurs twice"},
    {"1 'a' 1\n2 'a' 1\n", SIB_ERR_FORMAT, "same bytes 'a'"},
    {"1 'a' 2\n", SIB_ERR_FORMAT, "has 1 bytes but declares 2"},
    {"1 '' 0\n", SIB_ERR_FORMAT, "has 0 bytes"},
    {"1 'a 1\n", SIB_ERR_FORMAT, "not a line of a vocabulary"},
    {"1 '\\q' 1\n", SIB_ERR_FORMAT, "not a line of a vocabulary"},
    {"1 '\\ud800' 3\n", SIB_ERR_FORMAT, "not a line of a vocabulary"},
    {"1 '\\U00110000' 4\n", SIB_ERR_FORMAT, "not a line of a vocabulary"},
    {"1 b'\\777' 1\n", SIB_ERR_FORMAT, "not a line of a vocabulary"},
    {"999999999 'a' 1\n", SIB_ERR_SIZE, "id 999999999"},
};

TEST(test_bad)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sib_tokenizer *t;
        sib_error err = SIB_ERROR_INIT;
        CHECK_FAILS(sib_tokenizer_open_bytes("bad", bad[i].text, strlen(bad[i].text), NULL, &t, &err),
                    bad[i].code, err, bad[i].words);
        assert_null(t);
    }
}

TEST(test_memory)
{
    check_memory(scored, sizeof scored - 1, NULL, "bab a<s>\xC3\xA9zz");
    check_memory(trimmed, sizeof trimmed - 1, NULL, " ab x aab");
    check_memory(merged, sizeof merged - 1, NULL, "ab ab<|e|>11");
    byte_buffer file = pieces_file(1), document = pieces_file_json(2);
    check_memory(file.data, file.n, NULL, "abAAe\xCC\x81");
    check_memory(document.data, document.n, NULL, "ab<m>\xC3\xA9");
    buf_free(&file);
    buf_free(&document);
    check_memory(world, sizeof world - 1, NULL, "ab'<|endoftext|>a");
}
