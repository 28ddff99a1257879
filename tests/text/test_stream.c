/* Streaming decoders: after each token, the text is that of all tokens so far. */
#include "check_memory.h"
#include "encodes.h"
#include "ranks_text.h"
#include "seeds.h"

#include "text/stream.h"

#define MAX_IDS 400

/* One decoder, with a vocabulary of spaces, marks, bytes and a suffix. */
#define WITH(decoder)                                                                                        \
    "{\"decoder\":" decoder ",\"added_tokens\":[{\"id\":0,\"content\":\"<s>\",\"special\":true}],"           \
    "\"model\":{\"type\":\"WordLevel\",\"unk_token\":\"<s>\",\"vocab\":{\"<s>\":0,\"a\":1,\"b</w>\":2,\""    \
    "_\":3,"                                                                                                 \
    "\"__a\":4,\"<0xE2>\":5,\"<0x96>\":6,\"<0x81>\":7,\" \":8,\"  \":9,\"</w>\":10,\"##a\":11,\".\":12,"     \
    "\"\xC3\xA9\":13,\"ab\":14,\"</w>x</w>\":15,\"n't\":16}}}"
#define SEQUENCE(steps) "{\"type\":\"Sequence\",\"decoders\":[" steps "]}"
#define FUSE            "{\"type\":\"Fuse\"}"
#define STRIP(what, start, stop)                                                                             \
    "{\"type\":\"Strip\",\"content\":\"" what "\",\"start\":" start ",\"stop\":" stop "}"
#define REPLACE(kind, what, with)                                                                            \
    "{\"type\":\"Replace\",\"pattern\":{\"" kind "\":\"" what "\"},\"content\":\"" with "\"}"
#define METASPACE "{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"always\"}"

static const struct stream_case {
    const char *name, *text; /* text NULL: ranks */
    size_t most_kept;        /* max ids that may be decoded again; MAX_IDS: all */
} cases[] = {
    {"ranks", NULL, 0},
    {"bytes", "", 0},
    {"rwkv", world, 0},
    {"scores", scored, 0},
    {"trimmed", trimmed, 0},
    {"merges", merged, 0},
    {"byte-level", byte_bpe, 0},
    {"llama", llama, 2},
    {"Unigram", unigram_model, 0},
    {"WordPiece", bert, 0},
    {"no decoder", WITH("null"), 0},
    {"BPEDecoder", WITH("{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}"), 1},
    {"ByteLevel of characters", WITH("{\"type\":\"ByteLevel\"}"), 0},
    {"Metaspace", WITH(METASPACE), 0},
    {"bytes, then Metaspace", WITH(SEQUENCE("{\"type\":\"ByteFallback\"}," METASPACE)), 0},
    {"Strip of each", WITH(SEQUENCE(STRIP("a", "1", "1") "," REPLACE("Regex", "_+", " "))), 0},
    {"Strip in front", WITH(SEQUENCE(FUSE "," STRIP("_", "3", "0"))), MAX_IDS},
    {"Strip of two in front", WITH(SEQUENCE(FUSE "," STRIP("  ", "2", "0") "," FUSE)), MAX_IDS},
    {"BPEDecoder, Strip in front",
     WITH(SEQUENCE("{\"type\":\"BPEDecoder\",\"suffix\":\"</w>\"}," FUSE "," STRIP(" ", "1", "0"))), MAX_IDS},
    {"Strip behind", WITH(SEQUENCE(FUSE "," STRIP("_", "0", "2"))), MAX_IDS},
    {"two Strips", WITH(SEQUENCE(FUSE "," STRIP("_", "1", "0") "," STRIP("a", "1", "0"))), MAX_IDS},
    {"Replace of all", WITH(SEQUENCE(FUSE "," REPLACE("Regex", "a_*b?", "x"))), MAX_IDS},
    {"Metaspace of all", WITH(SEQUENCE(FUSE "," METASPACE)), MAX_IDS},
    {"WordPiece of all", WITH(SEQUENCE(FUSE ",{\"type\":\"WordPiece\"}")), MAX_IDS},
    {"ByteLevel of all", WITH(SEQUENCE(FUSE ",{\"type\":\"ByteLevel\"}")), MAX_IDS},
};

static sib_tokenizer *open_case(const struct stream_case *c)
{
    static const char *const more[] = {"he", "ll", "\xC3\xA9", NULL};
    byte_buffer ranks = ranks_text(more);
    sib_tokenizer_options options = {.kind = c->text && !*c->text ? "bytes" : NULL};
    sib_tokenizer *t;
    sib_error err = SIB_ERROR_INIT;
    const char *text = c->text ? c->text : ranks.data;
    CHECK_OK(sib_tokenizer_open_bytes(c->name, text, c->text ? strlen(text) : ranks.n, &options, &t, &err),
             err);
    buf_free(&ranks);
    return t;
}

static int32_t some_id(const sib_tokenizer *t, check_random *r)
{
    sib_tokenizer_info info;
    const char *bytes;
    size_t size;
    bool special;
    sib_tokenizer_get_info(t, &info);
    for (;;) {
        int32_t id = (int32_t)(check_u64(r) % info.n_vocab);
        if (sib_tokenizer_token(t, id, &bytes, &size, &special))
            return id;
    }
}

/* One text, with its ids in random portions; its settled front is dropped sometimes. */
static void follow(const struct stream_case *c, const sib_tokenizer *t, check_random *r, size_t n, bool skip)
{
    int32_t ids[MAX_IDS];
    text_stream s;
    sib_error err = SIB_ERROR_INIT;
    size_t few = 1 + check_u64(r) % 20; /* few distinct ids, so that some repeat in a row */
    for (size_t i = 0; i < n; i++)
        ids[i] = i < few ? some_id(t, r) : ids[check_u64(r) % few];
    text_stream_begin(&s, t);
    for (size_t done = 0, more; done < n; done += more) {
        more = check_u64(r) % 4;
        more = more < n - done ? more : n - done;
        char *whole;
        size_t size;
        CHECK_OK(text_stream_add(&s, ids + done, more, skip, &err), err);
        CHECK_OK(sib_tokenizer_decode(t, ids, done + more, skip, &whole, &size, &err), err);
        if (s.at + s.text.n != size || (s.text.n && memcmp(s.text.data, whole + s.at, s.text.n) != 0))
            fail_msg("%s: behind %zu ids the text is '%.*s', expected '%s'", c->name, done + more,
                     (int)s.text.n, s.text.data ? s.text.data : "", whole + s.at);
        if (s.ids.n > c->most_kept)
            fail_msg("%s: %zu ids are decoded again", c->name, s.ids.n);
        sib_free(whole);
        text_stream_forget(&s, size - (size ? check_u64(r) % size : 0));
    }
    text_stream_free(&s);
}

TEST(test_as_the_whole)
{
    check_random r = {11};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_tokenizer *t = open_case(&cases[i]);
        for (int k = 0; k < 300; k++)
            follow(&cases[i], t, &r, check_u64(&r) % (k % 10 ? 40 : MAX_IDS), k % 2);
        sib_tokenizer_free(&t);
    }
}

/* Settled ids that are no longer needed are freed. */
TEST(test_forgets)
{
    sib_tokenizer *t = open_case(&cases[1]);
    text_stream s;
    sib_error err = SIB_ERROR_INIT;
    text_stream_begin(&s, t);
    for (int32_t i = 0; i < 200000; i++) {
        int32_t id = i & 255;
        CHECK_OK(text_stream_add(&s, &id, 1, true, &err), err);
        text_stream_forget(&s, (size_t)i);
        assert_int_equal(s.at + s.text.n, (size_t)i + 1);
        assert_int_equal((unsigned char)s.text.data[s.text.n - 1], id);
    }
    assert_true(s.text.capacity < 65536);
    text_stream_free(&s);
    sib_tokenizer_free(&t);
}

TEST(test_unknown_id)
{
    sib_tokenizer *t = open_case(&cases[1]);
    text_stream s;
    sib_error err = SIB_ERROR_INIT;
    text_stream_begin(&s, t);
    CHECK_OK(text_stream_add(&s, (const int32_t[]){1, 2}, 2, true, &err), err);
    assert_int_equal(text_stream_add(&s, (const int32_t[]){3, 999}, 2, true, &err), SIB_ERR_VALUE);
    assert_string_equal(err.message, "id 999 at index 3 is not in the vocabulary");
    text_stream_free(&s);
    sib_tokenizer_free(&t);
}

static sib_code stream_pairs(const sib_tokenizer *t, const int32_t ids[8], sib_error *err)
{
    text_stream s;
    sib_code code = SIB_OK;
    text_stream_begin(&s, t);
    for (size_t at = 0; at < 8 && code == SIB_OK; at += 2)
        code = text_stream_add(&s, ids + at, 2, false, err);
    text_stream_free(&s);
    return code;
}

TEST(test_memory)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_tokenizer *t = open_case(&cases[i]);
        check_random r = {5};
        int32_t ids[8];
        for (size_t k = 0; k < 8; k++)
            ids[k] = some_id(t, &r);
        sib_error err = SIB_ERROR_INIT;
        CHECK_EVERY_ALLOCATION(stream_pairs(t, ids, &err), (void)0);
        sib_tokenizer_free(&t);
    }
}
