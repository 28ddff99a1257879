/* Nodes between text and tokens. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "job/nodes/nodes.h"
#include "text/stream.h"

#include <stdio.h>
#include <string.h>

/* ---- tokenize ------------------------------------------------------------------------------------------ */

enum {
    TOKENIZE_TEXT,
    TOKENIZE_TOKENS,
    TOKENIZE_BEGIN,
    TOKENIZE_SPECIAL,
    TOKENIZE_MAX,
    TOKENIZE_PROMPTS,
    TOKENIZE_PROMPT
};
static const job_port tokenize_inputs[] = {
    {"text", SIB_PORT_TEXT, false, "any bytes"},
    {"tokens", SIB_PORT_TOKENS, false, "instead of a text"},
    {"begin", SIB_PORT_TOKENS, false, "prepended to the text's tokens"},
    {"special", SIB_PORT_FLAG, false, "find special tokens in the text (true)"},
    {"max", SIB_PORT_NUMBER, false,
     "max tokens of a text: its last are left out, not those behind it; 0: all (0)"},
    {"prompts", SIB_PORT_TEXTS, false,
     "beginnings of texts, each behind its name: name, text, name, text, ..."},
    {"prompt", SIB_PORT_TEXT, false, "name of the one to put before the text (none)"}};
static const job_port tokenize_outputs[] = {{"tokens", SIB_PORT_TOKENS, false, "ids"}};

/* The text that is encoded: with the prompt that is named before it, in *joined, which is the caller's (mem_free). */
static sib_code with_prompt(const job_step *s, sib_str *text, char **joined, sib_error *err)
{
    const char *name = step_text(s, TOKENIZE_PROMPT, ""), *const * texts;
    char known[120] = "";
    size_t n, used = 0;
    *joined = NULL;
    if (!*name)
        return SIB_OK;
    step_texts(s, TOKENIZE_PROMPTS, &texts, &n);
    for (size_t i = 0; i + 1 < n; i += 2) {
        const size_t length = strlen(texts[i + 1]);
        if (strcmp(texts[i], name) != 0) {
            if (used < sizeof known)
                used +=
                    (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", texts[i]);
            continue;
        }
        if (!(*joined = mem_alloc(length + text->length + 1, 1)))
            return err_memory(err, length + text->length + 1, "a text");
        memcpy(*joined, texts[i + 1], length);
        memcpy(*joined + length, text->data, text->length);
        *text = (sib_str){*joined, length + text->length};
        return SIB_OK;
    }
    return err_set(err, SIB_ERR_ARGUMENT, "%s: there is no prompt '%.60s'; there are %s", s->node->name, name,
                   *known ? known : "none");
}

static const struct sib_cancel *cancel_of(const job_step *s)
{
    return s->watch ? s->watch->cancel : NULL;
}

/* Leaves out the last tokens of the text, so that n are at most max; those that the tokenizer puts around it stay. */
static sib_code shorten(const job_step *s, sib_str text, size_t max, int32_t *ids, size_t *n, sib_error *err)
{
    int32_t *own;
    size_t count, before = 0;
    sib_code code = tokenizer_encode(s->tokenizer, text, SIB_SPECIAL_FOUND, cancel_of(s), &own, &count, err);
    if (code != SIB_OK)
        return code;
    if (count > *n)
        count = *n;
    while (before + count < *n && memcmp(ids + before, own, count * sizeof *own) != 0)
        before++;
    const size_t around = *n - count, kept = max > around ? max - around : 0;
    if (kept < count)
        memmove(ids + before + kept, ids + before + count, (*n - before - count) * sizeof *ids);
    *n = around + kept;
    sib_free(own);
    return SIB_OK;
}

static sib_code encode(job_step *s, sib_str text, int32_t **ids, size_t *n, sib_error *err)
{
    const bool special = step_flag(s, TOKENIZE_SPECIAL, true);
    size_t max;
    sib_code code = step_count(s, TOKENIZE_MAX, 0, 0, 1 << 24, &max, err);
    if (code == SIB_OK)
        code = tokenizer_encode(s->tokenizer, text, special ? SIB_SPECIAL_AS_TOKENS : SIB_SPECIAL_AS_TEXT,
                                cancel_of(s), ids, n, err);
    if (code != SIB_OK || !max || *n <= max)
        return code;
    if (special)
        code = shorten(s, text, max, *ids, n, err);
    else
        *n = max;
    if (code != SIB_OK)
        sib_free(*ids);
    return code;
}

static sib_code tokenize_run(job_step *s, sib_error *err)
{
    const sib_port_value *text = s->in[TOKENIZE_TEXT] ? &s->in[TOKENIZE_TEXT]->v : NULL;
    const sib_port_value *begin = s->in[TOKENIZE_BEGIN] ? &s->in[TOKENIZE_BEGIN]->v : NULL;
    if (s->in[TOKENIZE_TOKENS])
        return step_give(s, 0, job_value_keep(s->in[TOKENIZE_TOKENS]), err);
    if (!text)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: expected a text or tokens", s->node->name);
    size_t front = begin ? begin->tokens.n : 0, n;
    int32_t *ids;
    char *joined;
    sib_str given = {text->text.data, text->text.size};
    sib_code code = with_prompt(s, &given, &joined, err);
    if (code == SIB_OK)
        code = encode(s, given, &ids, &n, err);
    mem_free(joined);
    if (code != SIB_OK)
        return code;
    int32_t *all = mem_alloc(front + n + 1, sizeof *all);
    if (all && front)
        memcpy(all, begin->tokens.ids, front * sizeof *all);
    if (all && n)
        memcpy(all + front, ids, n * sizeof *all);
    code = step_give(s, 0, all ? job_value_tokens(all, front + n) : NULL, err);
    mem_free(all);
    sib_free(ids);
    return code;
}

const job_op job_op_tokenize = {.name = "tokenize",
                                .meaning = "tokens of a text",
                                .inputs = tokenize_inputs,
                                .n_inputs = sizeof tokenize_inputs / sizeof *tokenize_inputs,
                                .outputs = tokenize_outputs,
                                .n_outputs = 1,
                                .tokenizer = true,
                                .run = tokenize_run};

/* ---- detokenize ---------------------------------------------------------------------------------------- */

enum { DETOKENIZE_TOKENS, DETOKENIZE_STOP, DETOKENIZE_SPECIAL, DETOKENIZE_LAST };
static const job_port detokenize_inputs[] = {
    {"tokens", SIB_PORT_TOKENS, true, "ids that follow those of the previous iteration"},
    {"stop", SIB_PORT_TEXTS, false, "strings that end the text; not part of it"},
    {"special", SIB_PORT_FLAG, false, "write the names of special tokens (false)"},
    {"last", SIB_PORT_FLAG, false, "no more tokens follow: give what was held back (false)"}};
enum { DETOKENIZE_TEXT, DETOKENIZE_END };
static const job_port detokenize_outputs[] = {
    {"text", SIB_PORT_TEXT, false, "text that is certain: complete characters, no beginning of a stop text"},
    {"end", SIB_PORT_FLAG, false, "a stop text was found"}};

/* The text so far, and how many of its bytes were returned. */
typedef struct text_so_far {
    text_stream stream;
    size_t given;
} text_so_far;

static void text_forget(void *memory)
{
    text_so_far *t = memory;
    text_stream_free(&t->stream);
    mem_free(t);
}

/* Bytes before the returned end in which a character may begin. */
#define BACK 3

/* Length of `text` without an incomplete character at its end. */
static size_t whole_characters(const char *text, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char c = (unsigned char)text[size - back];
        if ((c & 0xC0) == 0x80)
            continue;
        size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        return length > back ? size - back : size;
    }
    return size;
}

/* Where the first stop text begins at or after `from`; *found. Otherwise where one may begin at the end,
   unless no text follows. */
static size_t before_stop(const char *text, size_t from, size_t size, const char *const *stops, size_t n,
                          bool last, bool *found)
{
    *found = false;
    for (size_t at = from; at < size; at++)
        for (size_t i = 0; i < n; i++) {
            size_t length = strlen(stops[i]), here = size - at < length ? size - at : length;
            if (!length || (last && here < length) || memcmp(text + at, stops[i], here))
                continue;
            *found = here == length;
            return at;
        }
    return size;
}

static sib_code detokenize_run(job_step *s, sib_error *err)
{
    const sib_port_value *in = &s->in[DETOKENIZE_TOKENS]->v;
    const char *const *stops;
    size_t n_stops;
    bool found, last = step_flag(s, DETOKENIZE_LAST, false);
    text_so_far *t = *s->memory;
    if (!t) {
        if (!(t = *s->memory = mem_calloc(1, sizeof *t)))
            return err_memory(err, sizeof *t, "a text");
        text_stream_begin(&t->stream, s->tokenizer);
    }
    step_texts(s, DETOKENIZE_STOP, &stops, &n_stops);
    sib_code code = text_stream_add(&t->stream, in->tokens.ids, in->tokens.n,
                                    !step_flag(s, DETOKENIZE_SPECIAL, false), err);
    if (code != SIB_OK)
        return code;
    const char *text = t->stream.text.n ? t->stream.text.data : "";
    size_t size = t->stream.text.n, from = size_min(t->given - t->stream.at, size);
    size_t settled = last ? size : whole_characters(text, size);
    size_t end = before_stop(text, from, size, stops, n_stops, last, &found);
    if (end > settled)
        end = settled;
    if (end < from)
        end = from;
    code = step_give(s, DETOKENIZE_TEXT, job_value_text(text + from, end - from), err);
    if (code == SIB_OK)
        code = step_give(s, DETOKENIZE_END, job_value_flag(found), err);
    if (code == SIB_OK && end > from && s->watch && s->watch->text)
        code = s->watch->text(s->watch->context, text + from, end - from, err);
    t->given = t->stream.at + end;
    text_stream_forget(&t->stream, t->given > BACK ? t->given - BACK : 0);
    return code;
}

const job_op job_op_detokenize = {.name = "detokenize",
                                  .meaning = "text of tokens, as far as it is certain, in each iteration",
                                  .inputs = detokenize_inputs,
                                  .n_inputs = sizeof detokenize_inputs / sizeof *detokenize_inputs,
                                  .outputs = detokenize_outputs,
                                  .n_outputs = 2,
                                  .tokenizer = true,
                                  .run = detokenize_run,
                                  .forget = text_forget};
