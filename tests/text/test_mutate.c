/* Mutated tokenizers: opening a file ends soon, with a tokenizer or an error; the tokenizer encodes any bytes
   to ids that it knows, and all memory is freed. SIBYL_MUTATIONS is the number for each kind, or
   SIBYL_MUTATION_SECONDS the CPU time (`make mutate-tokenizers`, with sanitizers), SIBYL_MUTATION_SEED the
   seed. */
#include "encodes.h"
#include "pieces_file.h"
#include "seeds.h"
#include "too_long.h"

#include <time.h>

/* Wall time for one file. */
#define MAX_SECONDS 5
#define MAX_SIZE    16384
#define MAX_PEAK    (192u << 20)

static byte_buffer make_ranks(void)
{
    static const char *const more[] = {"he", "ll", "llo", NULL};
    return ranks_text(more);
}

static byte_buffer make_charsmap(void)
{
    static uint8_t bytes[CHARSMAP_BYTES];
    charsmap_fill(bytes);
    return charsmap_json(bytes, sizeof bytes);
}

static byte_buffer make_file(void)
{
    return pieces_file(1);
}

static byte_buffer make_document(void)
{
    return pieces_file_json(2);
}

static const struct seed {
    const char *name, *text;
    byte_buffer (*make)(void); /* used if text is NULL */
} seeds[] = {{"ranks", NULL, make_ranks},       {"byte-level", byte_bpe, NULL},
             {"byte_fallback", llama, NULL},    {"Unigram", unigram_model, NULL},
             {"WordPiece", bert, NULL},         {"steps", stepped, NULL},
             {"scores", scored, NULL},          {"trimmed", trimmed, NULL},
             {"merges", merged, NULL},          {"rwkv", world, NULL},
             {"charsmap", NULL, make_charsmap}, {"file", NULL, make_file},
             {"document", NULL, make_document}};

#define N_SEEDS (sizeof seeds / sizeof *seeds)

static char now_read[MAX_SIZE]; /* for a debugger */

static size_t below(check_random *r, size_t n)
{
    return n ? (size_t)(check_u64(r) % n) : 0;
}

/* Strings that random changes seldom produce. */
static const char *const words[] = {"0",
                                    "-1",
                                    "4294967295",
                                    "1e999",
                                    "2097151",
                                    "\"\"",
                                    "null",
                                    "true",
                                    "[]",
                                    "{}",
                                    "\\u0000",
                                    "\"a\":0,",
                                    "a b",
                                    "\xFF",
                                    "=",
                                    "\n",
                                    "(a*)*b",
                                    "\\\\p{L}+",
                                    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                    "\xE2\x96\x81",
                                    "<0x00>",
                                    "BPE",
                                    "Unigram",
                                    "WordLevel",
                                    "ByteLevel",
                                    "Isolated",
                                    "always"};

/* Makes one change of data: (n of MAX_SIZE). Returns the new number of bytes. */
static size_t change(check_random *r, char *data, size_t n)
{
    size_t at = below(r, n + 1), size = below(r, 2 + below(r, 40));
    size = size < n - at ? size : n - at;
    switch (below(r, 5)) {
    case 0:
        if (at < n)
            data[at] ^= (char)(1 << below(r, 8));
        return n;
    case 1: /* a part removed */
        memmove(data + at, data + at + size, n - at - size);
        return n - size;
    case 2: { /* a part copied from elsewhere */
        char part[64];
        if (n + size > MAX_SIZE)
            return n;
        memcpy(part, data + at, size);
        size_t to = below(r, n + 1);
        memmove(data + to + size, data + to, n - to);
        memcpy(data + to, part, size);
        return n + size;
    }
    case 3: { /* a word inserted, or put in place of a number or string */
        const char *word = words[below(r, sizeof words / sizeof *words)];
        size_t length = strlen(word), end = at;
        while (end < n && strchr("0123456789.-\"", data[end]) && data[end])
            end++;
        if (n + length > MAX_SIZE)
            return n;
        memmove(data + at + length, data + end, n - end);
        memcpy(data + at, word, length);
        return n + length - (end - at);
    }
    default: /* the end truncated, sometimes */
        return below(r, 4) ? n : at;
    }
}

static void check_both_ways(const sib_tokenizer *t, check_random *r)
{
    static const char *const parts[] = {"ab", " ",         "h\xC3\xA9", "\xFF", "<s>", "tab",
                                        "1",  "_ab",       "b",         "xyz",  "\n",  "\xEF\xAC\x81",
                                        "A",  "e\xCC\x81", "\xC2\xAD"};
    char text[400];
    size_t n = 0, n_ids = 0, size = 0;
    for (size_t i = below(r, 40); i > 0; i--) {
        const char *part = parts[below(r, sizeof parts / sizeof *parts)];
        memcpy(text + n, part, strlen(part));
        n += strlen(part);
    }
    for (int specials = 0; specials < 2; specials++) {
        int32_t *ids = NULL;
        char *back = NULL;
        sib_error err = SIB_ERROR_INIT;
        sib_code code = sib_tokenizer_encode(t, text, n, (sib_special)specials, &ids, &n_ids, &err);
        if (code != SIB_OK && (err.code != code || !err.message[0] || ids))
            fail_msg("%s: encoding fails without a sentence", doing);
        if (code == SIB_OK && sib_tokenizer_decode(t, ids, n_ids, specials, &back, &size, &err) != SIB_OK &&
            err.code != SIB_ERR_SIZE && err.code != SIB_ERR_UNSUPPORTED)
            fail_msg("%s: ids that it gave are not decoded: %s", doing, err.message);
        sib_free(ids);
        sib_free(back);
    }
}

static bool read_it(const char *data, size_t n, check_random *r)
{
    sib_alloc_counters before, after;
    sib_alloc_counters_get(&before);
    sib_tokenizer *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_code code = sib_tokenizer_open_bytes("changed", data, n, NULL, &t, &err);
    if (code == SIB_OK)
        check_both_ways(t, r);
    else if (t || err.code != code || !err.message[0])
        fail_msg("%s: code %d without a sentence", doing, (int)code);
    sib_tokenizer_free(&t);
    sib_alloc_counters_get(&after);
    assert_int_equal(after.bytes_current, before.bytes_current);
    assert_true(after.bytes_peak < MAX_PEAK);
    return code == SIB_OK;
}

static void mutate_seed(const struct seed *seed, check_random *r, uint64_t count, double seconds)
{
    byte_buffer made = seed->text ? (byte_buffer){0} : seed->make();
    const char *text = seed->text ? seed->text : made.data;
    size_t size = seed->text ? strlen(seed->text) : made.n;
    uint64_t k = 0, n_read = 0;
    time_t since = time(NULL);
    for (; seconds > 0 ? difftime(time(NULL), since) < seconds : k < count; k++) {
        memcpy(now_read, text, size);
        size_t n = size;
        for (size_t i = 1 + below(r, 1 + below(r, 4)); i > 0; i--)
            n = change(r, now_read, n);
        snprintf(doing, sizeof doing, "change %llu of %s", (unsigned long long)k, seed->name);
        /* a block of the exact size, so that a read past the end is detected */
        char *exact = malloc(n ? n : 1);
        assert_non_null(exact);
        memcpy(exact, now_read, n);
        alarm(MAX_SECONDS);
        n_read += read_it(exact, n, r);
        alarm(0);
        free(exact);
    }
    buf_free(&made);
    print_message("%s: %llu changed, %llu of them opened\n", seed->name, (unsigned long long)k,
                  (unsigned long long)n_read);
}

TEST(test_changed_files)
{
    const char *number = getenv("SIBYL_MUTATIONS"), *seconds = getenv("SIBYL_MUTATION_SECONDS"),
               *seed = getenv("SIBYL_MUTATION_SEED");
    check_random r = {seed ? (uint64_t)atoll(seed) : 5};
    signal(SIGALRM, too_long);
    for (size_t i = 0; i < N_SEEDS; i++)
        mutate_seed(&seeds[i], &r, number ? (uint64_t)atoll(number) : 300,
                    seconds ? atof(seconds) / N_SEEDS : 0);
}
