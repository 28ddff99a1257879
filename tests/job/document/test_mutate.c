/* Mutated documents of jobs: each is accepted or rejected with an error, accepted ones run to an end, and all
   memory is freed. SIBYL_MUTATIONS is the number of mutations (`make mutate`: 10,000 with sanitizers),
   SIBYL_MUTATION_SEED the seed. */
#include "job/jobs.h"
#include "job/nodes/nodes.h"

#include "run/watch.h"

#define MAX_BYTES (64 << 10)

/* A document that runs: audio to windows, a model with state, tokens, text, nested loops. */
static const char runs[] =
    "{\"sibyl_job\": 1, \"kind\": \"test\", \"name\": \"own\", \"sample_rate\": 16000,"
    " \"models\": {\"m\": \"count.onnx\"}, \"tokenizers\": {\"t\": {\"kind\": \"bytes\"}},"
    " \"calls\": {\"c\": {\"model\": \"m\", \"inputs\": {\"x\": {\"name\": \"x\", \"transpose\": [0]}}, "
    "\"outputs\": "
    "{\"y\": \"y\", \"slow\": \"slow\"}, \"state\": {\"s\": {\"name\": \"next.s\", \"dims\": [1], \"fill\": "
    "2}}}},"
    " \"inputs\": {\"audio\": \"audio\", \"words\": {\"type\": \"text\", \"default\": \"one two\"}, \"n\": "
    "{\"type\": "
    "\"number\", \"default\": 3}, \"ids\": {\"type\": \"tokens\", \"default\": [1, 2]}, \"p\": {\"type\": "
    "\"numbers\", "
    "\"default\": [0.5, 1]}, \"f\": {\"type\": \"flag\", \"default\": true}, \"stop\": {\"type\": \"texts\", "
    "\"default\": "
    "[\"a\", \"b\"]}},"
    " \"nodes\": [{\"name\": \"mel\", \"op\": \"features\", \"inputs\": {\"audio\": \"$audio\", \"n_mels\": "
    "8}},"
    " {\"name\": \"cut\", \"op\": \"windows\", \"inputs\": {\"audio\": \"$audio\", \"size\": 64, "
    "\"context\": 8}},"
    " {\"name\": \"tok\", \"op\": \"tokenize\", \"tokenizer\": \"t\", \"inputs\": {\"text\": \"$words\", "
    "\"begin\": "
    "\"$ids\", \"special\": \"$f\"}},"
    " {\"name\": \"outer\", \"op\": \"loop\", \"over\": {\"row\": \"$cut\"}, \"max_steps\": \"$n\", "
    "\"state\": {\"s\": "
    "{\"initial\": \"$tok\", \"next\": \"$pick.token\"}}, \"body\": ["
    "  {\"name\": \"call\", \"op\": \"call\", \"calls\": {\"model\": \"c\"}, \"inputs\": {\"x\": \"$row\"}},"
    "  {\"name\": \"pick\", \"op\": \"sample\", \"inputs\": {\"logits\": \"$call.y\", \"tokens\": \"$s\", "
    "\"top_k\": 5, "
    "\"max_tokens\": 9}},"
    "  {\"name\": \"inner\", \"op\": \"loop\", \"max_steps\": 2, \"over\": {\"v\": \"$call.slow\"}, "
    "\"body\": [{\"name\": "
    "\"say\", \"op\": \"detokenize\", \"tokenizer\": \"t\", \"inputs\": {\"tokens\": \"$pick.token\", "
    "\"stop\": "
    "\"$stop\"}}], \"until\": [\"$say.end\"], \"collect\": {\"text\": \"$say.text\"}}"
    " ], \"until\": [\"$pick.end\"], \"collect\": {\"text\": \"$inner.text\", \"ids\": \"$pick.shown\", "
    "\"p\": "
    "\"$pick.logprob\", \"rows\": \"$call.y\"}},"
    " {\"name\": \"spans\", \"op\": \"spans\", \"inputs\": {\"probabilities\": \"$p\", \"window\": 64, "
    "\"audio\": "
    "\"$audio\"}}],"
    " \"outputs\": {\"mel\": \"$mel\", \"text\": \"$outer.text\", \"ids\": \"$outer.ids\", \"p\": "
    "\"$outer.p\", \"rows\": "
    "\"$outer.rows\", \"spans\": {\"from\": \"$spans\"}, \"last\": \"$outer.s\"}}";

static const char *const standards[] = {"features",     "speech-to-text", "text-generation", "text-to-speech",
                                        "speech-steps", "piper",          "voice-activity"};
enum { N_STANDARDS = sizeof standards / sizeof *standards };

/* Document `which`, terminated by NUL; release with free. */
static char *load(size_t which)
{
    char *text = calloc(MAX_BYTES, 1), path[4096];
    const char *source = getenv("SIBYL_SOURCE");
    assert_non_null(text);
    if (which < N_STANDARDS) {
        assert_non_null(source);
        snprintf(path, sizeof path, "%s/src/job/standard/%s.json", source, standards[which]);
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        assert_true(fread(text, 1, MAX_BYTES / 4, f) > 0);
        fclose(f);
    } else
        strcpy(text, runs);
    return text;
}

/* ---- Mutations ----------------------------------------------------------------------------------------- */

static size_t below(check_random *r, size_t n)
{
    return n ? (size_t)(check_u64(r) % n) : 0;
}

/* The end of the JSON token that begins at `at`: a string with its quotes, a number, a punctuation mark. */
static size_t word_end(const char *text, size_t at)
{
    if (text[at] == '"') {
        const char *close = strchr(text + at + 1, '"');
        return close ? (size_t)(close - text) + 1 : strlen(text);
    }
    size_t n = strspn(text + at, "0123456789.-+eaflnrstu");
    return at + (n ? n : 1);
}

/* Finds a random token; first: its first character (0: any). Returns false if there is none. */
static bool find_word(check_random *r, const char *text, char first, size_t *begin, size_t *end)
{
    size_t n = 0;
    for (size_t at = 0; text[at]; at = word_end(text, at))
        if (!strchr(" \n", text[at]) && (!first || text[at] == first) && below(r, ++n) == 0) {
            *begin = at;
            *end = word_end(text, at);
        }
    return n > 0;
}

static void replace(char *text, size_t begin, size_t end, const char *with, size_t n)
{
    size_t size = strlen(text);
    if (size + n >= MAX_BYTES)
        return;
    memmove(text + begin + n, text + end, size - end + 1);
    memcpy(text + begin, with, n);
}

static void change(check_random *r, char *text)
{
    static const char *const words[] = {"null",        "true",       "-1",           "0",
                                        "3",           "0.5",        "1e300",        "-0.0",
                                        "[]",          "{}",         "\"\"",         "\"$\"",
                                        "\"$$\"",      "\"$audio\"", "\"$tok\"",     "\"$outer\"",
                                        "\"$call.y\"", "\"$row\"",   "\"*\"",        "\"a.*\"",
                                        "\"loop\"",    "\"call\"",   "\"score\"",    "\"sample\"",
                                        "[1, 0]",      "\"tensor\"", "\"text\"",     "\"segments\"",
                                        "\"spans\"",   "[[]]",       "\"\xC3\xA4\"", "[null]",
                                        "\"windows\"", "\"tokens\"", "\"numbers\"",  "9007199254740993"};
    size_t begin, end, other, behind;
    char copy[4096];
    unsigned kind = (unsigned)(check_u64(r) % 16);
    /* mostly a string for a string, so that it stays readable */
    if (!find_word(r, text, kind < 10 ? '"' : 0, &begin, &end) ||
        !find_word(r, text, text[begin], &other, &behind))
        return;
    switch (kind < 3 ? 0 : kind < 10 ? 1 : kind - 8) {
    case 0: { /* a token replaced by one of these words */
        const char *word = words[below(r, sizeof words / sizeof *words)];
        replace(text, begin, end, word, strlen(word));
        break;
    }
    case 1: /* a token replaced by another of the document */
    case 2:
    case 3:
        if (behind - other < sizeof copy) {
            memcpy(copy, text + other, behind - other);
            replace(text, begin, end, copy, behind - other);
        }
        break;
    case 4: /* a stretch removed or repeated */
        end = begin + below(r, 60);
        if (end > strlen(text))
            end = strlen(text);
        memcpy(copy, text + begin, end - begin);
        if (check_u64(r) % 2)
            replace(text, begin, end, "", 0);
        else
            replace(text, end, end, copy, end - begin);
        break;
    case 5: /* a bit flipped */
        if (*text)
            text[below(r, strlen(text))] ^= (char)(1 << check_u64(r) % 7);
        break;
    default: /* a word inserted */
        if (behind - other < sizeof copy) {
            memcpy(copy, text + other, behind - other);
            replace(text, begin, begin, copy, behind - other);
        }
    }
}

/* ---- The test ------------------------------------------------------------------------------------------ */

static void must_say(sib_code code, const sib_error *err, const void *out)
{
    if (code != SIB_OK && (err->code != code || !err->message[0]))
        fail_msg("%s: code %d without a sentence", watch_doing(), (int)code);
    if ((code == SIB_OK) != (out != NULL))
        fail_msg("%s: code %d and %p: %s", watch_doing(), (int)code, out, err->message);
}

/* Reads the document; if valid, opens and runs it. */
static void try_it(const char *text, const sib_tensor *sound, size_t *n_read, size_t *n_run)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_options options = {.threads = 1, .backends = "ref"};
    sib_job_run_options limits = {.max_steps = 40};
    job_doc *d = NULL;
    sib_job *j = NULL;
    sib_job_result *out = NULL;
    uint64_t before = check_held();
    char *exact = strdup(text); /* of the exact size, so that a read past the end is detected */
    sib_code code = job_doc_read("file", exact, strlen(exact), job_ops, NULL, &d, &err);
    must_say(code, &err, d);
    *n_read += d != NULL;
    err = (sib_error)SIB_ERROR_INIT;
    if (d) {
        code = sib_job_open_text(exact, strlen(exact), folder, &options, &j, &err);
        must_say(code, &err, j);
    }
    job_doc_free(&d);
    free(exact);
    err = (sib_error)SIB_ERROR_INIT;
    sib_job_value in = {"audio", {.type = SIB_PORT_AUDIO, .tensor = sound}};
    if (j) {
        code = sib_job_run(j, 1, &in, 0, NULL, &limits, &out, &err);
        must_say(code, &err, out);
    }
    *n_run += out != NULL;
    sib_job_result_free(&out);
    sib_job_free(&j);
    assert_int_equal(check_held(), before);
}

TEST(changed_documents_do_no_harm)
{
    const char *number = getenv("SIBYL_MUTATIONS"), *seed = getenv("SIBYL_MUTATION_SEED");
    size_t n = number ? (size_t)atoll(number) : 600, n_read = 0, n_run = 0;
    check_random r = {seed ? (uint64_t)atoll(seed) : 31};
    int64_t dims = 1000;
    sib_tensor *sound = tiny_tensor(SIB_F32, 1, &dims, NULL);
    char *own = load(N_STANDARDS);
    size_t reads = 0, ran = 0;
    try_it(own, sound, &reads, &ran);
    assert_int_equal(ran, 1); /* unchanged */
    free(own);
    watch_start();
    for (size_t k = 0; k < n; k++) {
        size_t which = below(&r, 2 * N_STANDARDS); /* half of the time the document `runs` */
        char *text = load(which);
        for (int times = 1 + (int)(check_u64(&r) % 3); times > 0; times--)
            change(&r, text);
        watch_begin("mutation %zu of %s", k, which < N_STANDARDS ? standards[which] : "our own");
        try_it(text, sound, &n_read, &n_run);
        watch_end();
        free(text);
    }
    watch_stop();
    sib_tensor_free(&sound);
    print_message("%zu changed documents: %zu read, %zu run\n", n, n_read, n_run);
    assert_true(n < 300 || (n_read > n / 20 && n_run > 0));
}

TEST_FIXTURE(make_counting_folder, drop_folder)
