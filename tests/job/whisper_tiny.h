/* A small tokenizer of Whisper's kind, and a model that says lines which a test gives. */
#ifndef TESTS_JOB_WHISPER_TINY_H
#define TESTS_JOB_WHISPER_TINY_H

#include "check.h"

#include "../text/ranks_text.h"
#include "fed_model.h"

/* Ids: bytes are their own, then these. */
enum tiny_token {
    A = 256, /* " a" */
    B,       /* " b" */
    C,       /* " c" */
    NOTE,    /* the first two bytes of a sign of music */
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

/* What is said in the window at a frame, at its first decoding, its second... */
typedef struct tiny_line {
    uint32_t seek;
    size_t attempt;     /* from 0; the last line of a window serves all that follow */
    int32_t tokens[48]; /* up to a 0; the end is said behind them */
    float height;       /* logit of each; all others have 0 */
    float no_speech;    /* logit of silence */
} tiny_line;

/* A model with lines, and what it was fed. */
typedef struct tiny_model {
    fed_model fed; /* whose script this is */
    const tiny_line *lines;
    size_t n_lines, seen_encodes, first_rewind;
    int32_t language;        /* that is heard */
    int32_t prompts[32][64]; /* (n_prompts) what stood in front of <|startoftranscript|> and it, up to a 0 */
    size_t prompt_lengths[32], n_prompts; /* of prompts */
} tiny_model;

static inline const tiny_line *tiny_find(tiny_model *t)
{
    const tiny_line *found = NULL;
    if (t->seen_encodes != t->fed.n_encodes) { /* a window's decodings are rewound but the first */
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
    if (n == 1) { /* which language? */
        logits[t->language] = 5;
        logits[A] = 9; /* which is none */
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
