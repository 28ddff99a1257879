/* What the decoder attends to in the audio, as a picture: a row per token, time to the right. */
#include "transcribe_output.h"

#include "files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEFT    200
#define GAP     8
#define TOP     (SIB_LINE_HEIGHT + 3 * GAP)
#define X_SCALE 2
#define TICK    6

/* Tokens of the segments of the first window that has any. *n: how many. Released with free. */
static int32_t *tokens_of_window(const sib_transcript *t, uint64_t *seek, double *end, size_t *n)
{
    size_t first = 0;
    *n = 0;
    while (first < t->n_segments && !t->segments[first].n_tokens)
        first++;
    *seek = first < t->n_segments ? t->segments[first].seek : 0;
    for (size_t i = first; i < t->n_segments && t->segments[i].seek == *seek; i++)
        *n += t->segments[i].n_tokens;
    int32_t *tokens = cli_alloc(*n, sizeof *tokens);
    *n = 0;
    for (size_t i = first; i < t->n_segments && t->segments[i].seek == *seek; i++) {
        if (t->segments[i].n_tokens)
            memcpy(tokens + *n, t->segments[i].tokens, t->segments[i].n_tokens * sizeof *tokens);
        *n += t->segments[i].n_tokens;
        *end = t->segments[i].end;
    }
    return tokens;
}

/* Roots of the mean over layers and heads, so that small shares are seen; each row from 0 to 1: (tokens, columns). */
static float *levels_of(const sib_attention *a, size_t columns)
{
    const int64_t *dims = sib_tensor_dims(a->weights);
    const size_t positions = (size_t)dims[3], maps = (size_t)(dims[0] * dims[1]);
    const float *weights = sib_tensor_data(a->weights);
    float *levels = cli_alloc(a->n_tokens * columns, sizeof *levels);
    for (size_t i = 0; i < a->n_tokens; i++) {
        float most = 0;
        for (size_t c = 0; c < columns; c++) {
            double sum = 0;
            for (size_t m = 0; m < maps; m++)
                sum += (double)weights[(m * a->n_tokens + i) * positions + c];
            levels[i * columns + c] = sqrtf((float)(sum / (double)maps));
            most = fmaxf(most, levels[i * columns + c]);
        }
        for (size_t c = 0; c < columns && most > 0; c++)
            levels[i * columns + c] /= most;
    }
    return levels;
}

static void draw_labels(sib_drawing *d, const sib_tokenizer *tokenizer, const sib_attention *a,
                        size_t columns)
{
    const size_t bottom = TOP + a->n_tokens * SIB_LINE_HEIGHT;
    for (size_t i = 0; i < a->n_tokens; i++) {
        char *text = NULL;
        size_t size;
        if (sib_tokenizer_decode(tokenizer, &a->tokens[i], 1, false, &text, &size, NULL) == SIB_OK) {
            char *shown = cli_format("%.15s", text);
            sib_drawing_text(d, LEFT - GAP, TOP + i * SIB_LINE_HEIGHT + 2, SIB_ANCHOR_RIGHT, shown);
            free(shown);
        }
        sib_free(text);
    }
    for (int s = (int)ceil(a->start); (s - a->start) / a->step < (double)columns; s++) {
        char label[24];
        const size_t x = LEFT + (size_t)lround((s - a->start) / a->step) * X_SCALE;
        snprintf(label, sizeof label, "%d s", s);
        sib_drawing_rect(d, x, bottom, 1, TICK, SIB_INK);
        sib_drawing_text(d, x, bottom + TICK + 3, SIB_ANCHOR_MIDDLE, label);
    }
}

static bool draw(const sib_attention *a, const sib_tokenizer *tokenizer, double end, const char *title,
                 const char *path)
{
    sib_error err = SIB_ERROR_INIT;
    sib_drawing *d = NULL;
    const double wanted = fmax((end + 0.5 - a->start) / a->step, 200),
                 all = (double)sib_tensor_dims(a->weights)[3];
    const size_t columns = (size_t)fmin(wanted, all);
    sib_code code =
        sib_drawing_create(LEFT + columns * X_SCALE + 4 * GAP,
                           TOP + a->n_tokens * SIB_LINE_HEIGHT + TICK + SIB_LINE_HEIGHT + 2 * GAP, &d, &err);
    if (code == SIB_OK) {
        float *levels = levels_of(a, columns);
        sib_drawing_text(d, LEFT + columns, GAP, SIB_ANCHOR_MIDDLE, title);
        sib_drawing_map(d, LEFT, TOP, columns, a->n_tokens, X_SCALE, SIB_LINE_HEIGHT, levels);
        draw_labels(d, tokenizer, a, columns);
        code = sib_drawing_write(d, path, &err);
        free(levels);
    }
    if (code != SIB_OK)
        cli_fail("%s", err.message);
    sib_drawing_free(&d);
    return code == SIB_OK;
}

bool transcribe_attention(const transcribe_settings *s, const sib_job *job, const char *recording,
                          const sib_tensor *audio, const sib_transcript *t)
{
    sib_error err = SIB_ERROR_INIT;
    uint64_t seek = 0;
    double end = 0;
    size_t n;
    int32_t *tokens = tokens_of_window(t, &seek, &end, &n);
    sib_attention *a = NULL;
    const sib_attention_request request = {.start = (double)seek / 100,
                                           .tokens = tokens,
                                           .n_tokens = n,
                                           .language = *t->language ? t->language : NULL,
                                           .translate = s->task == 1};
    bool done = false;
    if (!n)
        cli_fail("%s: there is no text whose attention could be drawn", recording);
    else if (sib_job_attention(job, audio, &request, &a, &err) != SIB_OK)
        cli_fail("%s: %s", recording, err.message);
    else {
        char *name = file_name(recording), *title = cli_format("%s, attention", name);
        done = draw(a, sib_job_tokenizer(job, 0), end, title, s->attention);
        free(title);
        free(name);
    }
    sib_attention_free(&a);
    free(tokens);
    return done;
}
