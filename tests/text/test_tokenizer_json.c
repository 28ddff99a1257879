/* tokenizer.json: small documents with one component of each kind. `make compare` checks the components
   against the original. */
#include "base/buffer.h"
#include "encodes.h"

#include "seeds.h"
#include <sibyl/timing.h>

static sib_tokenizer *open_json(const char *document)
{
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tokenizer_open_bytes("t.json", document, strlen(document), NULL, &t, &err), err);
    sib_tokenizer_info info;
    sib_tokenizer_get_info(t, &info);
    assert_string_equal(info.kind, "tokenizer.json");
    return t;
}

/* ---- BPE ----------------------------------------------------------------------------------------------- */

TEST(test_byte_level)
{
    sib_tokenizer *t = open_json(byte_bpe);
    CHECK_IDS(t, "aba ab", 7, 3, 1);
    CHECK_IDS(t, "\xE9", 5); /* a byte that is not UTF-8 is read as the character that stands for it */
    CHECK_TEXT(t, "\xE9 a", 5, 3);
    CHECK_TOKENS(t, "a<s>b", 9, 0, 9, 1);
    CHECK_IDS(t, "tab  b tabb", 10, 1, 2, 6, 4, 1);
    assert_int_equal(sib_tokenizer_find(t, " a", 2), 3);
    assert_int_equal(sib_tokenizer_find(t, "<s>", 3), 9);
    assert_int_equal(sib_tokenizer_find(t, "\0", 1), 8);
    check_text_of(t, IDS(9, 0, 10), true, "atab");
    int32_t *ids;
    size_t n;
    sib_error err = SIB_ERROR_INIT;
    CHECK_FAILS(sib_tokenizer_encode(t, "abc", 3, SIB_SPECIAL_AS_TEXT, &ids, &n, &err), SIB_ERR_VALUE, err,
                "byte 0x63");
    sib_tokenizer_free(&t);
}

TEST(test_byte_fallback)
{
    sib_tokenizer *t = open_json(llama);
    CHECK_IDS(t, "hi h", 5, 6, 5);
    CHECK_IDS(t, "h\xC3\xA9zzi\xC3", 5, 1, 2, 0, 6, 1);
    CHECK_TEXT(t, "hi h\xC3\xA9", 5, 6, 5, 1, 2);
    sib_tokenizer_free(&t);
}

/* ---- The other models ---------------------------------------------------------------------------------- */

TEST(test_unigram)
{
    sib_tokenizer *t = open_json(unigram_model);
    CHECK_IDS(t, "ab aba", 5, 5, 2);
    CHECK_IDS(t, "baXYa", 1, 6, 0, 2); /* of equal scores the first one found is kept */
    CHECK_TEXT(t, "ab a", 5, 1, 2);
    sib_tokenizer_free(&t);
}

TEST(test_wordpiece)
{
    sib_tokenizer *t = open_json(bert);
    CHECK_TOKENS(t, "UNable!", 1, 3, 4, 6, 2);
    CHECK_IDS(t, "una unx unableable caf\xC3\xA9\xE4\xB8\xAD", 3, 5, 0, 0, 8, 7);
    CHECK_TEXT(t, "unable! un", 3, 4, 6, 3);
    sib_tokenizer_free(&t);
}

/* ---- Steps --------------------------------------------------------------------------------------------- */

#define LETTERS                                                                                              \
    "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"?\",\"vocab\":{\"?\":0,\"a\":1,\"b\":2,\"ab\":3,"     \
    "\"1\":4,\"12\":5,\",\":6,"                                                                              \
    "\"a,\":7,\",b\":8,\"\xC3\xA9\":9,\"e\":10,\"_a\":11,\"\xEF\xAC\x81\":12,\"fi\":13,\" "                  \
    "a\":14,\"e\xCC\x81\":15,\"_b\":16}}}"

static const struct {
    const char *parts, *text;
    int32_t ids[8];
} steps[] = {
    {"\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},", " a  b\n", {1, 2, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Whitespace\"},", "a,b ab", {1, 6, 2, 3, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Digits\",\"individual_digits\":false},", "a12b", {1, 5, 2, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Digits\",\"individual_digits\":true},", "a11b", {1, 4, 4, 2, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Punctuation\"},", "a,b", {1, 6, 2, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Punctuation\",\"behavior\":\"MergedWithPrevious\"},", "a,b", {7, 2, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Punctuation\",\"behavior\":\"MergedWithNext\"},", "a,b", {1, 8, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Punctuation\",\"behavior\":\"Removed\"},", "a,,b", {1, 2, -1}},
    {"\"pre_tokenizer\":{\"type\":\"CharDelimiterSplit\",\"delimiter\":\",\"},", "a,b", {1, 2, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?=b)\"},\"behavior\":\"Isolated\"},",
     "abb",
     {1, 2, 2, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[ab]\"},\"behavior\":\"Removed\","
     "\"invert\":true},",
     "a,b",
     {1, 2, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a|b\"},\"behavior\":\"Contiguous\"},",
     "ab,ab",
     {3, 6, 3, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\",\"},\"behavior\":\"Isolated\"},",
     ",a",
     {6, 1, -1}},
    {"\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"first\"},",
     "a b",
     {11, 16, -1}},
    {"\"normalizer\":{\"type\":\"NFC\"},", "e\xCC\x81", {9, -1}},
    {"\"normalizer\":{\"type\":\"NFD\"},", "\xC3\xA9", {15, -1}},
    {"\"normalizer\":{\"type\":\"NFC\"},", "\xEF\xAC\x81", {12, -1}},
    {"\"normalizer\":{\"type\":\"NFKC\"},", "\xEF\xAC\x81", {13, -1}},
    {"\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKD\"},{\"type\":\"StripAccents\"}]"
     "},",
     "\xC3\xA9",
     {10, -1}},
    {"\"normalizer\":{\"type\":\"Lowercase\"},", "AB", {3, -1}},
    {"\"normalizer\":{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":true},", "\t ab \n", {3, -1}},
    {"\"normalizer\":{\"type\":\"Strip\",\"strip_left\":false},", " a ", {14, -1}},
    {"\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"x+\"},\"content\":\"b\"},",
     "axx",
     {3, -1}},
    {"\"normalizer\":{\"type\":\"Prepend\",\"prepend\":\"a\"},", "b", {3, -1}},
};

TEST(test_steps)
{
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        char document[4096];
        snprintf(document, sizeof document, "{%s" LETTERS, steps[i].parts);
        sib_tokenizer *t = open_json(document);
        check_ids_as(t, steps[i].text, SIB_SPECIAL_AS_TEXT, steps[i].ids);
        sib_tokenizer_free(&t);
    }
}

/* Many combining marks in random order: fast, and broken bytes among them stay. */
TEST(test_many_marks)
{
    char document[4096];
    snprintf(document, sizeof document, "{\"normalizer\":{\"type\":\"NFC\"}," LETTERS);
    sib_tokenizer *t = open_json(document);
    size_t n = 200000, n_ids;
    char *text = malloc(4 * n);
    int32_t *ids;
    sib_error err = SIB_ERROR_INIT;
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + 4 * i, "\xCC\x81\xCC\xA3", 4);
    text[4 * n - 1] = '\xFF';
    CHECK_OK(sib_tokenizer_encode(t, text, 4 * n, SIB_SPECIAL_AS_TEXT, &ids, &n_ids, &err), err);
    assert_int_equal(n_ids, 1);
    sib_free(ids);
    free(text);
    sib_tokenizer_free(&t);
}

/* ---- Bad documents ------------------------------------------------------------------------------------- */

#define BPE(vocab, merges) "{\"model\":{\"type\":\"BPE\",\"vocab\":{" vocab "},\"merges\":[" merges "]}}"
#define WITH(part)         "{" part "," LETTERS

static const struct {
    const char *document;
    sib_code code;
    const char *words;
} bad[] = {
    {"{", SIB_ERR_FORMAT, "line 1"},
    {"{}", SIB_ERR_FORMAT, "model: is missing"},
    {"{\"a\":1,\"a\":2}", SIB_ERR_FORMAT, "duplicate"},
    {"{\"model\":{\"type\":\"Runes\"}}", SIB_ERR_UNSUPPORTED, "model 'Runes'"},
    {BPE("\"a\":0,\"a\":1", ""), SIB_ERR_FORMAT, "duplicate"},
    {BPE("\"a\":0,\"b\":0", ""), SIB_ERR_FORMAT, "id 0 occurs twice"},
    {BPE("\"a\":-1", ""), SIB_ERR_FORMAT, "id -1"},
    {BPE("\"a\":99999999999", ""), SIB_ERR_FORMAT, "id 99999999999"},
    {BPE("\"a\":1.5", ""), SIB_ERR_FORMAT, "not an integer"},
    {BPE("\"a\":0,\"ab\":1", "\"a b\""), SIB_ERR_FORMAT, "merges[0]: 'a' with 'b' are not both"},
    {BPE("\"a\":0,\"b\":1", "\"a b\""), SIB_ERR_FORMAT, "gives no token"},
    {BPE("\"a\":0,\"b\":1,\"ab\":2", "\"a b\",[\"a\",\"b\"]"), SIB_ERR_FORMAT, "occurs twice"},
    {BPE("\"a\":0,\"\":1", "[\"\",\"a\"]"), SIB_ERR_FORMAT, "empty side"}, /* would repeat forever */
    {BPE("\"a\":0", "\"aa\""), SIB_ERR_FORMAT, "merges[0]: is not a pair"},
    {BPE("\"a\":0", "7"), SIB_ERR_FORMAT, "is not a pair"},
    {"{\"model\":{\"type\":\"BPE\",\"dropout\":0.1,\"vocab\":{\"a\":0},\"merges\":[]}}", SIB_ERR_UNSUPPORTED,
     "model/dropout"},
    {"{\"model\":{\"type\":\"BPE\",\"unk_token\":\"u\",\"vocab\":{\"a\":0},\"merges\":[]}}", SIB_ERR_FORMAT,
     "'u' is not"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[]}}", SIB_ERR_FORMAT, "not a list"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\"]]}}", SIB_ERR_FORMAT, "vocab[0]"},
    {"{\"model\":{\"type\":\"Unigram\",\"unk_id\":3,\"vocab\":[[\"a\",1]]}}", SIB_ERR_FORMAT, "unk_id"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",1],[\"a\",2]]}}", SIB_ERR_FORMAT, "same bytes 'a'"},
    {WITH("\"normalizer\":{\"type\":\"Nmt\"}"), SIB_ERR_UNSUPPORTED, "normalizer: normalizer 'Nmt'"},
    {WITH("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"},{\"type\":\"X\"}]}"),
     SIB_ERR_UNSUPPORTED, "normalizer/normalizers[1]: normalizer 'X'"},
    {WITH("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":\"\"}"),
     SIB_ERR_FORMAT, "regular expression '('"},
    {WITH("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"\\\\h\"},\"content\":\"\"}"),
     SIB_ERR_UNSUPPORTED, "'\\h'"},
    {WITH("\"normalizer\":{\"type\":\"Replace\",\"content\":\"\"}"), SIB_ERR_FORMAT, "expected a pattern"},
    {WITH("\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"}"), SIB_ERR_UNSUPPORTED,
     "pre-tokenizer 'UnicodeScripts'"},
    {WITH("\"pre_tokenizer\":{\"type\":\"ByteLevel\"}"), SIB_ERR_UNSUPPORTED, "decoder: expected ByteLevel"},
    {WITH("\"pre_tokenizer\":{\"type\":\"Punctuation\",\"behavior\":\"Lost\"}"), SIB_ERR_UNSUPPORTED,
     "behavior 'Lost'"},
    {WITH("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}"), SIB_ERR_FORMAT,
     "one character"},
    {WITH("\"decoder\":{\"type\":\"CTC\"}"), SIB_ERR_UNSUPPORTED, "decoder 'CTC'"},
    {WITH("\"post_processor\":{\"type\":\"X\"}"), SIB_ERR_UNSUPPORTED, "post-processor 'X'"},
    {WITH("\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"a\",99],\"sep\":[\"b\",1]}"),
     SIB_ERR_FORMAT, "not in the vocabulary"},
    {WITH("\"added_tokens\":[{\"id\":1,\"content\":\"z\"}]"), SIB_ERR_FORMAT, "another token"},
    {WITH("\"added_tokens\":[{\"id\":50,\"content\":\"ab\"}]"), SIB_ERR_FORMAT, "has another id"},
    {WITH("\"added_tokens\":[{\"id\":50,\"content\":\"\"}]"), SIB_ERR_FORMAT, "no content"},
    {WITH("\"added_tokens\":[{\"content\":\"q\"}]"), SIB_ERR_FORMAT, "its id is out of range"},
    {WITH("\"added_tokens\":[{\"id\":50,\"content\":\"q\",\"special\":true},{\"id\":51,\"content\":\"q\","
          "\"special\":true}]"),
     SIB_ERR_FORMAT, "same bytes 'q'"},
};

TEST(test_bad)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sib_tokenizer *t;
        sib_error err = SIB_ERROR_INIT;
        CHECK_FAILS(sib_tokenizer_open_bytes("bad", bad[i].document, strlen(bad[i].document), NULL, &t, &err),
                    bad[i].code, err, bad[i].words);
        assert_null(t);
    }
}

/* Nested lists, and nested sequences. */
TEST(test_deep)
{
    static const char open[] = "{\"type\":\"Sequence\",\"normalizers\":[";
    for (size_t depth = 20; depth <= 200000; depth *= 100) {
        byte_buffer b = {0};
        sib_tokenizer *t;
        sib_error err = SIB_ERROR_INIT;
        buf_add(&b, "{\"normalizer\":", 14, &err);
        for (size_t i = 0; i < depth; i++)
            buf_add(&b, open, sizeof open - 1, &err);
        for (size_t i = 0; i < depth; i++)
            buf_add(&b, "]}", 2, &err);
        buf_add(&b, "}", 1, &err);
        sib_code code = sib_tokenizer_open_bytes("deep", b.data, b.n, NULL, &t, &err);
        if (depth == 20)
            CHECK_FAILS(code, SIB_ERR_UNSUPPORTED, err, "too many steps");
        else
            CHECK_FAILS(code, SIB_ERR_FORMAT, err, "depth");
        buf_free(&b);
    }
}

/* A regular expression whose steps grow with the cube of the text length. PCRE2's own limit is per start
   position. */
TEST(test_backtracking)
{
    static const char json[] =
        WITH("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"(?:a|b)*(?:a|c)*[bc]\"},"
             "\"behavior\":\"Isolated\"}");
    enum { N = 4000 };
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    char *text = malloc(N);
    int32_t *ids;
    size_t n;
    assert_non_null(text);
    memset(text, 'a', N);
    CHECK_OK(sib_tokenizer_open_bytes("t", json, sizeof json - 1, NULL, &t, &err), err);
    sib_timer timer = sib_timer_start();
    CHECK_FAILS(sib_tokenizer_encode(t, text, N, SIB_SPECIAL_AS_TEXT, &ids, &n, &err), SIB_ERR_UNSUPPORTED,
                err, "takes too long or too much memory on a text of 4000 bytes");
    assert_true(sib_timer_seconds(&timer) < 30); /* about 0.1 s; a minute with PCRE2's limit alone */
    CHECK_OK(sib_tokenizer_encode(t, text, 100, SIB_SPECIAL_AS_TEXT, &ids, &n, &err),
             err); /* 5,000 steps at the first position */
    assert_true(n > 0);
    sib_free(ids);
    sib_tokenizer_free(&t);
    free(text);
}

TEST(test_memory)
{
    static const char regex[] = WITH(
        "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"a|b\"},\"behavior\":\"Isolated\"}");
    check_memory(byte_bpe, sizeof byte_bpe - 1, NULL, "aba a<s>tab  a\xE9");
    check_memory(llama, sizeof llama - 1, NULL, "hi h\xC3\xA9zz\xC3");
    check_memory(unigram_model, sizeof unigram_model - 1, NULL, "ab abaX");
    check_memory(bert, sizeof bert - 1, NULL, "unable! caf\xC3\xA9 unx");
    check_memory(regex, sizeof regex - 1, NULL, "ab\xFF");
}
