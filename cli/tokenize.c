/* sibyl tokenize --model M [TEXT|-]: text to tokens, and tokens to text. */
#include "command.h"
#include "files.h"
#include "job_model.h"
#include "messages.h"
#include "shared_options.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    const char *model, *kind;
    long n_vocab;
    bool decode, ids, special, json;
} settings;

static const cli_option options[] = {
    OPT_MODEL("a tokenizer's file, a model with a tokenizer in its folder, a job, or the name of an "
              "installed model; bytes needs no file"),
    OPT_TEXT("kind", kind, "KIND",
             "format of the tokenizer's file: gpt2, whisper, tokenizer.json, pieces, sentencepiece or "
             "rwkv-world (default: "
             "recognised by its content)",
             .offer = "gpt2 whisper tokenizer.json pieces sentencepiece rwkv-world"),
    OPT_INTEGER("n-vocab", n_vocab, "N", 1, 2097152,
                "number of ids of the model; determines the version of Whisper"),
    OPT_FLAG("decode", decode, "decode ids into text"),
    OPT_FLAG("ids", ids, "print ids only, on one line"),
    OPT_FLAG("special", special,
             "find special tokens, such as <|endoftext|>, in the text, and show them with --decode"),
    OPT_JSON,
    OPT_END};

static const char more[] =
    "Prints a line for each token: its id and its bytes. Without a text it describes "
    "the tokenizer. Tokenizers are ranks of tiktoken, a tokenizer.json, a model file or pieces of "
    "SentencePiece, or the vocabulary of RWKV World. The text may hold any bytes.";

/* The source of a tokenizer: its file, or a job. */
typedef struct source {
    sib_tokenizer *own;
    sib_job *job;
    const sib_tokenizer *tokenizer; /* of one of them; NULL, with a line on stderr, on failure */
} source;

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void open_source(const settings *s, source *out)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tokenizer_options o = {.kind = s->kind, .n_vocab = (size_t)s->n_vocab};
    bool bytes = strcmp(s->model, "bytes") == 0;
    bool job = !bytes && !s->kind &&
               (ends_with(s->model, ".onnx") || ends_with(s->model, "job.json") || access(s->model, F_OK));
    if (bytes)
        o.kind = "bytes";
    if (job) {
        out->job = job_model_open(s->model, &(sib_job_options){.threads = 1});
        out->tokenizer = out->job ? sib_job_tokenizer(out->job, 0) : NULL;
        if (out->job && !out->tokenizer)
            cli_fail("%s: has no tokenizer", s->model);
    } else if (sib_tokenizer_open(bytes ? NULL : s->model, &o, &out->own, &err) == SIB_OK) {
        out->tokenizer = out->own;
    } else {
        cli_fail("%s", err.message);
    }
}

/* ---- What is shown
   ------------------------------------------------------------------------------------------------ */

/* Bytes, those that are not printable as \n or \xFF. */
static char *shown(const char *bytes, size_t n)
{
    char *text = cli_alloc(4 * n + 1, 1), *at = text;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n')
            at += sprintf(at, "\\n");
        else if (c == '\\')
            at += sprintf(at, "\\\\");
        else if (c < 0x20 || c == 0x7F)
            at += sprintf(at, "\\x%02x", c);
        else
            *at++ = (char)c;
    }
    /* Text that is not valid UTF-8 is shown as bytes. */
    json_t *valid = json_stringn(text, (size_t)(at - text));
    if (!valid) {
        at = text;
        for (size_t i = 0; i < n; i++)
            at += sprintf(at, "\\x%02x", (unsigned char)bytes[i]);
    }
    json_decref(valid);
    *at = '\0';
    return text;
}

static char *shown_token(const sib_tokenizer *t, int32_t id)
{
    const char *bytes = "";
    size_t size = 0;
    bool special;
    sib_tokenizer_token(t, id, &bytes, &size, &special);
    return shown(bytes, size);
}

static json_t *tokens_json(const sib_tokenizer *t, const int32_t *ids, size_t n)
{
    json_t *list = json_array(), *tokens = json_array();
    for (size_t i = 0; i < n; i++) {
        char *text = shown_token(t, ids[i]);
        json_array_append_new(list, json_integer(ids[i]));
        json_array_append_new(tokens, cli_json_text(text));
        free(text);
    }
    return json_pack("{s:I, s:o, s:o}", "n", (json_int_t)n, "ids", list, "tokens", tokens);
}

static void show_tokens(const sib_tokenizer *t, const settings *s, const int32_t *ids, size_t n)
{
    if (s->json) {
        cli_json_print(tokens_json(t, ids, n));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (s->ids) {
            printf("%s%d", i ? " " : "", (int)ids[i]);
            continue;
        }
        char *text = shown_token(t, ids[i]);
        printf("%7d  %s\n", (int)ids[i], text);
        free(text);
    }
    if (s->ids)
        putchar('\n');
}

static void show_what(const sib_tokenizer *t, const settings *s)
{
    sib_tokenizer_info info;
    const char *bytes;
    size_t size, n = 0, n_special = 0;
    bool special;
    sib_tokenizer_get_info(t, &info);
    for (size_t i = 0; i < info.n_vocab; i++)
        if (sib_tokenizer_token(t, (int32_t)i, &bytes, &size, &special)) {
            n++;
            n_special += special;
        }
    if (s->json)
        cli_json_print(json_pack("{s:s, s:I, s:I, s:I}", "kind", info.kind, "n_vocab",
                                 (json_int_t)info.n_vocab, "tokens", (json_int_t)n, "special",
                                 (json_int_t)n_special));
    else
        printf("%s: ids below %zu, %zu tokens, %zu of them special\n", info.kind, info.n_vocab, n, n_special);
}

/* ---- Both ways
   ------------------------------------------------------------------------------------------------------ */

static bool encode(const sib_tokenizer *t, const settings *s, const char *text, size_t size)
{
    sib_error err = SIB_ERROR_INIT;
    int32_t *ids;
    size_t n;
    if (sib_tokenizer_encode(t, text, size, s->special ? SIB_SPECIAL_AS_TOKENS : SIB_SPECIAL_AS_TEXT, &ids,
                             &n, &err) != SIB_OK) {
        cli_fail("%s", err.message);
        return false;
    }
    show_tokens(t, s, ids, n);
    sib_free(ids);
    return true;
}

/* Numbers with spaces, commas or brackets between them. ids: room for as many as there are bytes. */
static bool read_ids(const char *text, int32_t *ids, size_t *n)
{
    for (*n = 0; *(text += strspn(text, " \t\r\n,[]"));) {
        char *end;
        long id = strtol(text, &end, 10);
        if (end == text || id < 0 || id > INT32_MAX) {
            cli_fail("'%.20s' is not an id", text);
            return false;
        }
        ids[(*n)++] = (int32_t)id;
        text = end;
    }
    return true;
}

static bool decode(const sib_tokenizer *t, const settings *s, const char *text, size_t size)
{
    sib_error err = SIB_ERROR_INIT;
    int32_t *ids = cli_alloc(size + 1, sizeof *ids);
    size_t n = 0, n_bytes = 0;
    char *bytes = NULL;
    bool done = read_ids(text, ids, &n);
    if (done && sib_tokenizer_decode(t, ids, n, !s->special, &bytes, &n_bytes, &err) != SIB_OK) {
        cli_fail("%s", err.message);
        done = false;
    }
    if (done && s->json)
        cli_json_print(json_pack("{s:o}", "text", cli_json_text(bytes)));
    else if (done)
        fwrite(bytes, 1, n_bytes, stdout);
    if (done && !s->json && isatty(STDOUT_FILENO))
        putchar('\n');
    sib_free(bytes);
    free(ids);
    return done;
}

static int tokenize(const cli_command *self, int argc, char **argv)
{
    settings s = {0};
    source from = {0};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (n > 1)
        return cli_usage(self, "expected one text, got %d", n);
    if (!s.model)
        return cli_usage(self, "give the model with --model");
    if (s.decode && n == 0)
        return cli_usage(self, "give the ids as one argument, or - for standard input");
    open_source(&s, &from);
    bool input = n == 1 && strcmp(argv[0], "-") == 0, done = from.tokenizer != NULL;
    size_t size = n == 1 ? strlen(argv[0]) : 0;
    char *read = done && input ? file_read_stream(stdin, "standard input", SIZE_MAX, &size) : NULL;
    done = done && (read || !input);
    const char *text = read ? read : n == 1 ? argv[0] : "";
    if (done && n == 0)
        show_what(from.tokenizer, &s);
    else if (done)
        done = s.decode ? decode(from.tokenizer, &s, text, size) : encode(from.tokenizer, &s, text, size);
    free(read);
    sib_tokenizer_free(&from.own);
    sib_job_free(&from.job);
    return done ? CLI_DONE : CLI_FAILED;
}

const cli_command command_tokenize = {.name = "tokenize",
                                      .summary = "text to tokens, and tokens to text",
                                      .operands = "--model M [TEXT | -] [options]",
                                      .options = options,
                                      .takes = CLI_TEXTS,
                                      .more = more,
                                      .run = tokenize};
