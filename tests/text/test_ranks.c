/* Ranks of tiktoken: GPT-2 and Whisper, with vocabularies made here and the two real ones. */
#include "encodes.h"
#include "ranks_text.h"
#include "text/bpe/merge.h"
#include "text/chars/scan.h"

static const char *const merges_of_hello[] = {"he", "ll",  "llo",      "lo",  " h", "hello",
                                              "12", "123", "\xC3\xA9", "xyz", NULL};

static sib_tokenizer *open_text(const char *const *more, const char *kind, size_t n_vocab)
{
    byte_buffer b = ranks_text(more);
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    sib_tokenizer_options options = {.kind = kind, .n_vocab = n_vocab};
    CHECK_OK(sib_tokenizer_open_bytes("ranks", b.data, b.n, &options, &t, &err), err);
    buf_free(&b);
    return t;
}

/* ---- Small vocabularies -------------------------------------------------------------------------------- */

TEST(test_lowest_rank_first)
{
    sib_tokenizer *t = open_text(merges_of_hello, "gpt2", 0);
    CHECK_IDS(t, "xyz", 265); /* an entire pre-token is looked up, although no merges lead to it */
    CHECK_IDS(t, "xyza", 'x', 'y', 'z', 'a');
    CHECK_IDS(t, "hellos", 261, 's');
    CHECK_IDS(t, "ello", 'e', 258);
    CHECK_IDS(t, "lllo", 257, 259); /* the left pair of two */
    CHECK_IDS(t, " hello", ' ', 261);
    CHECK_IDS(t, "he he", 256, ' ', 256); /* " h" has a higher rank than "he" */
    CHECK_IDS(t, "12345", 263, '4', '5');
    CHECK_IDS(t, "\xC3\xA9\xC3", 264, 0xC3);
    CHECK_IDS(t, "l\xFF\xFElo", 'l', 0xFF, 0xFE, 259);
    sib_tokenizer_free(&t);
}

TEST(test_specials)
{
    sib_tokenizer *t = open_text(merges_of_hello, NULL, 0);
    sib_tokenizer_info info;
    sib_tokenizer_get_info(t, &info);
    assert_string_equal(info.kind, "gpt2");
    assert_int_equal(info.n_vocab, 267);
    check_ids_as(t, "he<|endoftext|>he", SIB_SPECIAL_AS_TOKENS, IDS(256, 266, 256));
    CHECK_IDS(t, "<|end", '<', '|', 'e', 'n', 'd');
    int32_t *ids;
    char *text;
    size_t n, size;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tokenizer_encode(t, "<|endoftext|>", 13, SIB_SPECIAL_AS_TEXT, &ids, &n, &err), err);
    assert_int_equal(n, 13);
    sib_free(ids);
    CHECK_OK(sib_tokenizer_decode(t, IDS(256, 266), 2, true, &text, &size, &err), err);
    assert_string_equal(text, "he");
    sib_free(text);
    CHECK_FAILS(sib_tokenizer_decode(t, IDS(267), 1, true, &text, &size, &err), SIB_ERR_VALUE, err, "id 267");
    CHECK_FAILS(sib_tokenizer_decode(t, (const int32_t[]){-1}, 1, true, &text, &size, &err), SIB_ERR_VALUE,
                err, "id -1");
    sib_tokenizer_free(&t);
}

/* The number of ids of our own model: one language. */
TEST(test_small_whisper)
{
    sib_tokenizer *t = open_text(merges_of_hello, NULL, 266 + 1509 + 1);
    sib_tokenizer_info info;
    const char *bytes;
    size_t size;
    bool special;
    sib_tokenizer_get_info(t, &info);
    assert_string_equal(info.kind, "whisper");
    static const char *const names[] = {
        "<|endoftext|>", "<|startoftranscript|>", "<|en|>",       "<|translate|>",    "<|transcribe|>",
        "<|startoflm|>", "<|startofprev|>",       "<|nospeech|>", "<|notimestamps|>", "<|0.00|>",
        "<|0.02|>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(sib_tokenizer_find(t, names[i], strlen(names[i])), 266 + i);
        assert_true(sib_tokenizer_token(t, (int32_t)(266 + i), &bytes, &size, &special));
        assert_true(special && size == strlen(names[i]) && memcmp(bytes, names[i], size) == 0);
    }
    assert_int_equal(sib_tokenizer_find(t, "<|30.00|>", 9), info.n_vocab - 1);
    assert_int_equal(sib_tokenizer_find(t, "<|de|>", 6), -1);
    assert_int_equal(sib_tokenizer_find(t, "llo", 3), 258);
    assert_int_equal(sib_tokenizer_find(t, "lloo", 4), -1);
    assert_false(sib_tokenizer_token(t, (int32_t)info.n_vocab, &bytes, &size, &special));
    sib_tokenizer_free(&t);
}

/* ---- Pre-tokens ---------------------------------------------------------------------------------------- */

typedef struct pieces_case {
    scan_pretoken *scan;
    const char *text; /* pre-tokens, with '/' between them */
} pieces_case;

static const pieces_case pieces_cases[] = {
    {scan_gpt2, "I/'m/ don/'t/'/S/ '/s"},
    {scan_gpt2, "a/  / b/\n\n/\n/c/  "},
    {scan_gpt2, "x/12/ 34/!?/ %'/y/\t/z"},
    {scan_gpt2, "na\xC3\xAFve/ \xE4\xBD\xA0\xE5\xA5\xBD/\xE3\x80\x80/\xE2\x85\xA7/ e/\xCC\x81"},
    {scan_gpt2, "a/\xFF\xC3/b/ \x80"},
    {scan_cl100k, "I/'M/ don/'T/ ''/s/'\xC5\xBF/(x/\t/\ty"},
    {scan_cl100k, "123/45/ /6/!!\r\n\n/ \n  \n/  / a/\n/b/  "},
    {scan_qwen2, "1/2/3/ /4"},
};

TEST(test_pieces)
{
    for (size_t i = 0; i < sizeof pieces_cases / sizeof *pieces_cases; i++) {
        const pieces_case *c = &pieces_cases[i];
        char text[200], got[400];
        size_t n = 0, m = 0;
        for (const char *p = c->text; *p; p++)
            if (*p != '/')
                text[n++] = *p;
        for (size_t at = 0, end; at < n; at = end) {
            end = c->scan(classes_table(), text, n, at);
            assert_true(end > at && end <= n);
            memcpy(got + m, text + at, end - at);
            m += end - at;
            got[m++] = '/';
        }
        got[m - 1] = '\0';
        if (strcmp(got, c->text) != 0)
            fail_msg("case %zu: %s, expected %s", i, got, c->text);
    }
}

/* ---- Merging: the heap and the search agree ------------------------------------------------------------ */

static size_t merge_plainly(const merges *m, int32_t *ids, size_t n)
{
    for (;;) {
        const merge_slot *best = NULL;
        size_t place = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const merge_slot *s = merges_find(m, ids[i], ids[i + 1]);
            if (s && (!best || s->rank < best->rank)) {
                best = s;
                place = i;
            }
        }
        if (!best)
            return n;
        ids[place] = best->id;
        memmove(ids + place + 1, ids + place + 2, (n - place - 2) * sizeof *ids);
        n--;
    }
}

TEST(test_merges_by_chance)
{
    check_random r = {11};
    for (int round = 0; round < 200; round++) {
        merges m = {0};
        sib_error err = SIB_ERROR_INIT;
        for (int i = 0; i < 40; i++) { /* including pairs of equal rank, as with scores */
            int32_t left = (int32_t)(check_u64(&r) % (4 + (unsigned)i)),
                    right = (int32_t)(check_u64(&r) % (4 + (unsigned)i));
            CHECK_OK(merges_add(&m, left, right, (uint32_t)(check_u64(&r) % 20), 4 + i, NULL, &err), err);
        }
        int32_t ids[300], expected[300];
        size_t n = 1 + (size_t)(check_u64(&r) % 300), left;
        for (size_t i = 0; i < n; i++)
            ids[i] = expected[i] = (int32_t)(check_u64(&r) % 4);
        size_t want = merge_plainly(&m, expected, n);
        CHECK_OK(merges_apply(&m, ids, n, &left, &err), err);
        assert_int_equal(left, want);
        assert_memory_equal(ids, expected, want * sizeof *ids);
        merges_free(&m);
    }
}

TEST(test_long_piece)
{
    static const char *const more[] = {"aa", "aaaa", NULL};
    sib_tokenizer *t = open_text(more, "gpt2", 0);
    size_t size = 1 << 20, n;
    char *text = malloc(size);
    int32_t *ids;
    sib_error err = SIB_ERROR_INIT;
    assert_non_null(text);
    memset(text, 'a', size);
    CHECK_OK(sib_tokenizer_encode(t, text, size, SIB_SPECIAL_AS_TEXT, &ids, &n, &err), err);
    assert_int_equal(n, size / 4);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ids[i], 257);
    sib_free(ids);
    free(text);
    sib_tokenizer_free(&t);
}

/* ---- Bad files ----------------------------------------------------------------------------------------- */

static const struct {
    const char *text, *words;
    uint64_t offset;
} bad_files[] = {
    {"", "not a tokenizer", SIB_NO_OFFSET},
    {"hello\n", "not a tokenizer", SIB_NO_OFFSET},
    {"QQ== 0\nQ?== 1\n", "not base64", 7},
    {"QQ== 0\nQQ= 1\n", "not base64", 7},
    {"QQ== 0\nQQ==Qg== 1\n", "not base64", 7},
    {"QQ== 0\nQg== -1\n", "not a line of ranks", 7},
    {"QQ== 0\nQg== 99999999999\n", "not a line of ranks", 7},
    {"QQ== 0\nQg== 1x\n", "not a line of ranks", 7},
    {"QQ== 0\nQg==\n", "not a line of ranks", 7},
    {"QQ== 0\nQg== 2\n", "rank 2", 7},
    {"QQ== 0\nQg== 0\n", "id 0 occurs twice", 7},
    {"QQ== 0\nQQ== 1\n", "same bytes 'A'", 7},
    {"QQ== 0\n", "the byte 0x00 has no rank", SIB_NO_OFFSET},
};

TEST(test_bad_files)
{
    for (size_t i = 0; i < sizeof bad_files / sizeof *bad_files; i++) {
        sib_tokenizer *t;
        sib_error err = SIB_ERROR_INIT;
        sib_code code =
            sib_tokenizer_open_bytes("bad", bad_files[i].text, strlen(bad_files[i].text), NULL, &t, &err);
        assert_int_equal(err.offset, bad_files[i].offset);
        CHECK_FAILS(code, SIB_ERR_FORMAT, err, bad_files[i].words);
        assert_null(t);
    }
    byte_buffer b = ranks_text(merges_of_hello);
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    sib_tokenizer_options few = {.kind = "gpt2", .n_vocab = 200},
                          whisper = {.kind = "whisper", .n_vocab = 300}, other = {.kind = "runes"};
    CHECK_FAILS(sib_tokenizer_open_bytes("r", b.data, b.n, &few, &t, &err), SIB_ERR_VALUE, err,
                "the model has 200");
    CHECK_FAILS(sib_tokenizer_open_bytes("r", b.data, b.n, &whisper, &t, &err), SIB_ERR_VALUE, err,
                "266 ranks");
    whisper.n_vocab = 266 + 1509 + 101;
    CHECK_FAILS(sib_tokenizer_open_bytes("r", b.data, b.n, &whisper, &t, &err), SIB_ERR_VALUE, err,
                "up to 100");
    CHECK_FAILS(sib_tokenizer_open_bytes("r", b.data, b.n, &other, &t, &err), SIB_ERR_UNSUPPORTED, err,
                "'runes'");
    CHECK_FAILS(sib_tokenizer_open("/nowhere/r", NULL, &t, &err), SIB_ERR_IO, err, "/nowhere/r");
    CHECK_FAILS(sib_tokenizer_open("/", NULL, &t, &err), SIB_ERR_IO, err, "a folder");
    CHECK_FAILS(sib_tokenizer_open(NULL, NULL, &t, &err), SIB_ERR_ARGUMENT, err,
                "expected a file or a kind of tokenizer");
    buf_free(&b);
}

TEST(test_memory)
{
    byte_buffer b = ranks_text(merges_of_hello);
    check_memory(b.data, b.n, NULL,
                 "hello 123 l\xFFlo<|endoftext|>aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    buf_free(&b);
}

/* ---- The real vocabularies ----------------------------------------------------------------------------- */

static sib_tokenizer *open_real(const char *file, size_t n_vocab)
{
    char path[4400];
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    sib_tokenizer_options options = {.n_vocab = n_vocab};
    if (!check_data_folder())
        CHECK_SKIP("the shared data");
    snprintf(path, sizeof path, "%s/whisper/%s", check_data_folder(), file);
    CHECK_OK(sib_tokenizer_open(path, &options, &t, &err), err);
    return t;
}

TEST(test_real_files)
{
    static const struct {
        const char *file;
        size_t n_vocab;
        int32_t sot, translate, no_timestamps, cantonese;
    } models[] = {{"gpt2.tiktoken", 51864, 50257, 50357, 50362, -1},
                  {"multilingual.tiktoken", 51865, 50258, 50358, 50363, -1},
                  {"multilingual.tiktoken", 51866, 50258, 50359, 50364, 50358}};
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        sib_tokenizer *t = open_real(models[i].file, models[i].n_vocab);
        assert_int_equal(sib_tokenizer_find(t, "<|startoftranscript|>", 21), models[i].sot);
        assert_int_equal(sib_tokenizer_find(t, "<|translate|>", 13), models[i].translate);
        assert_int_equal(sib_tokenizer_find(t, "<|notimestamps|>", 16), models[i].no_timestamps);
        assert_int_equal(sib_tokenizer_find(t, "<|yue|>", 7), models[i].cantonese);
        assert_int_equal(sib_tokenizer_find(t, "<|30.00|>", 9), models[i].n_vocab - 1);
        sib_tokenizer_free(&t);
    }
    sib_tokenizer *t = open_real("gpt2.tiktoken", 0);
    CHECK_IDS(t, "Hello world", 15496, 995);
    CHECK_IDS(t, "Many words map to one token, but some don't: indivisible.", 7085, 2456, 3975, 284, 530,
              11241, 11, 475, 617, 836, 470, 25, 773, 452, 12843, 13);
    sib_tokenizer_free(&t);
}

/* Random bytes survive a round trip. */
TEST(test_bytes_by_chance)
{
    sib_tokenizer *t = open_real("multilingual.tiktoken", 0);
    check_random r = {3};
    for (int round = 0; round < 2000; round++) {
        char text[200], *back;
        size_t n = (size_t)(check_u64(&r) % sizeof text), n_ids, size;
        int32_t *ids;
        sib_error err = SIB_ERROR_INIT;
        for (size_t i = 0; i < n; i++)
            text[i] = (char)(check_u64(&r) >> (round % 2 ? 8 : 9));
        CHECK_OK(sib_tokenizer_encode(t, text, n, SIB_SPECIAL_AS_TOKENS, &ids, &n_ids, &err), err);
        CHECK_OK(sib_tokenizer_decode(t, ids, n_ids, false, &back, &size, &err), err);
        assert_int_equal(size, n);
        assert_memory_equal(back, text, n);
        sib_free(ids);
        sib_free(back);
    }
    sib_tokenizer_free(&t);
}

TEST(test_bytes_kind)
{
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tokenizer_open(NULL, &(sib_tokenizer_options){.kind = "bytes"}, &t, &err), err);
    CHECK_IDS(t, "a\xFF\x01", 'a', 0xFF, 1);
    sib_tokenizer_free(&t);
}
