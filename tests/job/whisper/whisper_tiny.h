/* A small tokenizer like Whisper's, and a model that outputs lines given by a test. */
#ifndef TESTS_JOB_WHISPER_TINY_H
#define TESTS_JOB_WHISPER_TINY_H

#include "check.h"

#include "fed_model.h"
#include "text/ranks_text.h"

/* Ids: 0 to 255 are the bytes, then these. */
enum tiny_token {
    A = 256, /* " a" */
    B,       /* " b" */
    C,       /* " c" */
    NOTE,    /* the first two bytes of a musical note */
    OPEN,    /* " (" */
    EOT,
    SOT,
    EN,
    ZH,
    DE,
    TRANSLATE,
    TRANSCRIBE,
    SOT_LM,
    SOT_PREV,
    NO_SPEECH,
    NO_TIMESTAMPS,
    TS, /* <|0.00|> */
    N_TINY = TS + 1501
};

static inline sib_tokenizer *tiny_tokenizer(void)
{
    static const char *const more[] = {" a", " b", " c", "\xE2\x99", " (", NULL};
    byte_buffer ranks = ranks_text(more);
    sib_tokenizer_options options = {"whisper", N_TINY};
    sib_tokenizer *t = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_tokenizer_open_bytes("ranks", ranks.data, ranks.n, &options, &t, &err), err);
    buf_free(&ranks);
    assert_int_equal(sib_tokenizer_find(t, "<|0.00|>", 8), TS);
    return t;
}

static inline whisper_model tiny_shape(void)
{
    return (whisper_model){.n_mels = 2,
                           .n_audio_ctx = 1500,
                           .n_text_ctx = 64,
                           .n_vocab = N_TINY,
                           .n_text_layer = 2,
                           .n_text_head = 1,
                           .multilingual = true};
}

/* The tokens for the window at a frame, at a given decoding attempt. */
typedef struct tiny_line {
    uint32_t seek;
    size_t attempt;     /* from 0; the last line of a window is used for all further attempts */
    int32_t tokens[48]; /* ends with 0; the end token follows */
    float height;       /* logit of each token; all others have 0 */
    float no_speech;    /* logit of silence */
} tiny_line;

/* A model with lines, and the prompts it received. */
typedef struct tiny_model {
    fed_model fed; /* the model of which this is the script */
    const tiny_line *lines;
    size_t n_lines, seen_encodes, first_rewind;
    int32_t language;                     /* detected */
    int32_t prompts[32][64];              /* (n_prompts) tokens up to <|startoftranscript|>, ending with 0 */
    size_t prompt_lengths[32], n_prompts; /* lengths of the prompts */
} tiny_model;

static inline const tiny_line *tiny_find(tiny_model *t)
{
    const tiny_line *found = NULL;
    /* each decoding of a window but the first is preceded by a rewind */
    if (t->seen_encodes != t->fed.n_encodes) {
        t->seen_encodes = t->fed.n_encodes;
        t->first_rewind = t->fed.n_rewinds;
    }
    size_t attempt = t->fed.n_rewinds - t->first_rewind;
    for (size_t i = 0; i < t->n_lines; i++)
        if (t->lines[i].seek == t->fed.seek && t->lines[i].attempt <= attempt)
            found = &t->lines[i];
    return found;
}

static inline void tiny_fill(fed_model *m, const int32_t *tokens, size_t n, float *logits)
{
    tiny_model *t = m->script;
    memset(logits, 0, N_TINY * sizeof *logits);
    size_t start = 0;
    while (start < n && tokens[start] != SOT)
        start++;
    const tiny_line *line = tiny_find(t);
    if (n == start + 1 && line)
        logits[NO_SPEECH] = line->no_speech;
    if (n == 1) { /* language detection */
        logits[t->language] = 5;
        logits[A] = 9; /* not a language */
        return;
    }
    assert_non_null(line);
    size_t said = start + (t->fed.model.multilingual ? 3 : 1);
    said += said < n && tokens[said] == NO_TIMESTAMPS;
    if (n < said)
        return;
    if (n == said && m->n_fed == 0 && t->n_prompts < 32) {
        memcpy(t->prompts[t->n_prompts], tokens, (start + 1) * sizeof *tokens);
        t->prompt_lengths[t->n_prompts++] = start + 1;
    }
    size_t length = 0;
    while (line->tokens[length])
        length++;
    logits[n - said < length ? line->tokens[n - said] : EOT] = line->height;
}

static inline void tiny_open(tiny_model *t, const whisper_model *shape, const tiny_line *lines,
                             size_t n_lines)
{
    *t = (tiny_model){.lines = lines, .n_lines = n_lines, .language = DE};
    fed_open(&t->fed, shape);
    t->fed.script = t;
    t->fed.fill = tiny_fill;
}

#endif
