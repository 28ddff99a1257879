#include "job/whisper/tokens.h"

#include "base/alloc.h"
#include "base/error.h"
#include "job/whisper/letters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The id of a token that has a logit in the model, or -1. */
static int32_t known(const whisper_tokens *w, const char *name)
{
    int32_t id = sib_tokenizer_find(w->tokenizer, name, strlen(name));
    return id >= 0 && (size_t)id < w->n_vocab ? id : -1;
}

static sib_code lacks(const char *name, sib_error *err)
{
    return err_set(err, SIB_ERR_VALUE, "the tokenizer has no token %s that the model has a logit for", name);
}

sib_code whisper_tokens_find(whisper_tokens *w, const sib_tokenizer *t, const whisper_model *m,
                             sib_error *err)
{
    *w = (whisper_tokens){.tokenizer = t, .n_vocab = m->n_vocab};
    const struct {
        const char *name;
        int32_t *id;
        bool needed;
    } rows[] = {{"<|endoftext|>", &w->eot, true},          {"<|startoftranscript|>", &w->sot, true},
                {"<|startofprev|>", &w->sot_prev, true},   {"<|notimestamps|>", &w->no_timestamps, true},
                {"<|0.00|>", &w->timestamp_begin, true},   {"<|translate|>", &w->translate, false},
                {"<|transcribe|>", &w->transcribe, false}, {"<|startoflm|>", &w->sot_lm, false},
                {"<|nospeech|>", &w->no_speech, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        *rows[i].id = known(w, rows[i].name);
        if (*rows[i].id < 0 && rows[i].needed)
            return lacks(rows[i].name, err);
    }
    if (w->timestamp_begin < w->eot)
        return err_set(err, SIB_ERR_VALUE, "the tokenizer has <|0.00|> (%d) before <|endoftext|> (%d)",
                       (int)w->timestamp_begin, (int)w->eot);
    if (w->no_speech < 0) /* its former name */
        w->no_speech = known(w, "<|nocaptions|>");
    w->start[0] = w->sot;
    w->n_start = 1;
    return SIB_OK;
}

int32_t whisper_tokens_language(const whisper_tokens *w, const char *code)
{
    char name[16];
    snprintf(name, sizeof name, "<|%s|>", code);
    return known(w, name);
}

sib_code whisper_tokens_start(whisper_tokens *w, const char *code, bool translate, sib_error *err)
{
    w->language = code;
    w->start[1] = whisper_tokens_language(w, code);
    w->start[2] = translate ? w->translate : w->transcribe;
    w->n_start = 3;
    if (w->start[1] < 0)
        return err_set(err, SIB_ERR_VALUE, "the tokenizer has no token <|%s|> that the model has a logit for",
                       code);
    return w->start[2] < 0 ? lacks(translate ? "<|translate|>" : "<|transcribe|>", err) : SIB_OK;
}

/* Adds the tokens of s, unchanged. */
static sib_code encode(const whisper_tokens *w, sib_str s, token_ids *out, sib_error *err)
{
    int32_t *ids = NULL;
    size_t n = 0;
    sib_code code = sib_tokenizer_encode(w->tokenizer, s.data, s.length, SIB_SPECIAL_AS_TEXT, &ids, &n, err);
    if (code == SIB_OK)
        code = ids_append(out, ids, n, err);
    sib_free(ids);
    return code;
}

sib_code whisper_tokens_encode(const whisper_tokens *w, const char *text, token_ids *out, sib_error *err)
{
    sib_str trimmed = whisper_trim((sib_str){text, strlen(text)});
    byte_buffer spaced = {0};
    sib_code code = buf_add(&spaced, " ", 1, err);
    if (code == SIB_OK)
        code = buf_add(&spaced, trimmed.data, trimmed.length, err);
    if (code == SIB_OK)
        code = encode(w, buf_str(&spaced), out, err);
    buf_free(&spaced);
    return code;
}

sib_code whisper_tokens_bytes(const whisper_tokens *w, const int32_t *ids, size_t n, int32_t limit,
                              byte_buffer *out, sib_error *err)
{
    sib_code code = buf_add(out, "", 0, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const char *bytes;
        size_t size;
        bool special;
        if (ids[i] >= limit)
            continue;
        /* ids without a token (vocabularies are padded) have no text */
        if (sib_tokenizer_token(w->tokenizer, ids[i], &bytes, &size, &special))
            code = buf_add(out, bytes, size, err);
    }
    return code;
}

sib_code whisper_tokens_decode(const whisper_tokens *w, const int32_t *ids, size_t n, int32_t limit,
                               byte_buffer *out, sib_error *err)
{
    byte_buffer raw = {0};
    sib_code code = whisper_tokens_bytes(w, ids, n, limit, &raw, err);
    if (code == SIB_OK)
        code = whisper_repair(buf_str(&raw), true, out, NULL, err);
    buf_free(&raw);
    return code;
}

/* ---- Suppressed tokens ------------------------------------------------------------------------------ */

/* Adds the first token of s, or of s with a blank in front; unless `always`, only where s is that one
   token. */
static sib_code add_first(const whisper_tokens *w, bool blank, const char *s, bool always, token_ids *out,
                          sib_error *err)
{
    char text[16];
    int length = snprintf(text, sizeof text, "%s%s", blank ? " " : "", s);
    token_ids ids = {0};
    sib_code code = encode(w, (sib_str){text, (size_t)length}, &ids, err);
    if (code == SIB_OK && ids.n > 0 && (always || ids.n == 1))
        code = ids_append(out, ids.ids, 1, err);
    ids_free(&ids);
    return code;
}

/* Tokens that begin notes about what is heard ("[Music]", "( LAUGHS )", "♪") rather than words. */
static sib_code add_non_speech(const whisper_tokens *w, token_ids *out, sib_error *err)
{
    static const char *const symbols[] = {
        "\"",  "#",  "(",  ")",  "*",   "+",  "/",  ":",   ";",   "<",  "=",  ">",  "@",  "[",   "\\",  "]",
        "^",   "_",  "`",  "{",  "|",   "}",  "~",  "「",  "」",  "『", "』", "<<", ">>", "<<<", ">>>", "--",
        "---", "-(", "-[", "('", "(\"", "((", "))", "(((", ")))", "[[", "]]", "{{", "}}", "♪♪",  "♪♪♪"};
    /* signs of music: where one is several tokens, the first is that of the signs U+2640 to U+267F only */
    static const char *const music[] = {"♩", "♪", "♫", "♬", "♭", "♮", "♯"};
    /* speech between words, but not before a word */
    static const char *const leading[] = {"-", "'"};
    sib_code code = SIB_OK;
    for (size_t i = 0; i < sizeof leading / sizeof *leading && code == SIB_OK; i++)
        code = add_first(w, true, leading[i], true, out, err);
    for (int blank = 0; blank < 2; blank++) {
        for (size_t i = 0; i < sizeof symbols / sizeof *symbols && code == SIB_OK; i++)
            code = add_first(w, blank, symbols[i], false, out, err);
        for (size_t i = 0; i < sizeof music / sizeof *music && code == SIB_OK; i++)
            code = add_first(w, blank, music[i], true, out, err);
    }
    return code;
}

/* Reads the number at *text, which a comma or the end must follow, and moves *text past it. */
static bool read_id(const char **text, long *out)
{
    char *end;
    errno = 0;
    *out = strtol(*text, &end, 10);
    if (end == *text || errno != 0)
        return false;
    while (*end == ' ')
        end++;
    if (*end != 0 && *end != ',')
        return false;
    *text = *end == ',' ? end + 1 : end;
    return *end == 0 || *(end + 1) != 0;
}

sib_code whisper_tokens_suppressed(const whisper_tokens *w, const char *list, token_ids *out, sib_error *err)
{
    sib_code code = SIB_OK;
    for (const char *at = list; *at && code == SIB_OK;) {
        long id;
        const char *from = at;
        if (!read_id(&at, &id))
            return err_set(err, SIB_ERR_ARGUMENT,
                           "suppress_tokens: expected integers separated by commas at '%.40s'", from);
        if (id < -1 || (id >= 0 && (size_t)id >= w->n_vocab))
            return err_set(err, SIB_ERR_ARGUMENT, "suppress_tokens: %ld is neither -1 nor a token below %zu",
                           id, w->n_vocab);
        code = id < 0 ? add_non_speech(w, out, err) : ids_add(out, (int32_t)id, err);
    }
    const int32_t framing[] = {w->transcribe, w->translate, w->sot, w->sot_prev, w->sot_lm, w->no_speech};
    for (size_t i = 0; i < sizeof framing / sizeof *framing && code == SIB_OK; i++)
        if (framing[i] >= 0)
            code = ids_add(out, framing[i], err);
    return code;
}

sib_code whisper_tokens_blank(const whisper_tokens *w, token_ids *out, sib_error *err)
{
    sib_code code = encode(w, (sib_str){" ", 1}, out, err);
    return code == SIB_OK ? ids_add(out, w->eot, err) : code;
}
