#include "job/whisper/align.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <string.h>

#define MEDIAN_WIDTH 7

/* ---- Paths and medians ------------------------------------------------------------------------------- */

typedef enum step { BOTH, ROW, COLUMN } step;

sib_code whisper_warp(const double *cost, size_t rows, size_t columns, int64_t *first, sib_error *err)
{
    size_t cells, width = columns + 1;
    if (!size_mul(rows + 1, width, &cells))
        return err_set(err, SIB_ERR_SIZE, "an alignment of %zu by %zu does not fit in memory", rows, columns);
    unsigned char *steps = mem_alloc(cells, 1);      /* (rows + 1, columns + 1) */
    double *above = mem_alloc(width, sizeof *above); /* sums of the previous row */
    double *current = mem_alloc(width, sizeof *current);
    if (!steps || !above || !current) {
        mem_free(steps);
        mem_free(above);
        mem_free(current);
        return err_memory(err, cells, "an alignment");
    }
    for (size_t j = 0; j < width; j++)
        above[j] = j > 0 ? INFINITY : 0;
    for (size_t i = 1; i <= rows; i++) {
        current[0] = INFINITY;
        for (size_t j = 1; j <= columns; j++) {
            double both = above[j - 1], row = above[j], column = current[j - 1];
            step s = both < row && both < column ? BOTH : row < both && row < column ? ROW : COLUMN;
            current[j] = cost[(i - 1) * columns + j - 1] + (s == BOTH ? both : s == ROW ? row : column);
            steps[i * width + j] = (unsigned char)s;
        }
        double *done = above;
        above = current;
        current = done;
    }
    for (size_t i = rows, j = columns; i > 0;) {
        first[i - 1] = (int64_t)j - 1; /* the last value written is the column where the path enters the
                                          row */
        step s = j == 0 ? ROW : (step)steps[i * width + j];
        i -= s != COLUMN;
        j -= s != ROW;
    }
    mem_free(steps);
    mem_free(above);
    mem_free(current);
    return SIB_OK;
}

void whisper_medians(const double *x, size_t n, double *out)
{
    const size_t half = MEDIAN_WIDTH / 2;
    if (n <= half) {
        if (n > 0)
            memcpy(out, x, n * sizeof *x);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        double sorted[MEDIAN_WIDTH] = {0};
        for (size_t k = 0; k < MEDIAN_WIDTH; k++) {
            size_t at = i + k; /* index in the mirrored row, of which half a window is in front */
            at = at < half ? half - at : at - half;
            at = at < n ? at : 2 * (n - 1) - at;
            size_t to = k;
            for (; to > 0 && (x[at] < sorted[to - 1] || (isnan(sorted[to - 1]) && !isnan(x[at]))); to--)
                sorted[to] = sorted[to - 1];
            sorted[to] = x[at];
        }
        out[i] = sorted[half];
    }
}

/* ---- Attention --------------------------------------------------------------------------------------- */

/* State for one text. */
typedef struct alignment {
    size_t n_tokens; /* all that are fed */
    size_t n_audio;  /* positions used */
    size_t begin;    /* row of the token that predicts the first text token */
    size_t rows;     /* rows from there, without the end token's */
    double *weights; /* (n_tokens, n_audio) of one head */
    double *matrix;  /* (rows, n_audio) sum over heads */
    double *medians; /* (n_audio) */
} alignment;

/* weights = softmax over the audio, less their mean over the tokens, divided by their standard deviation.
   scores: (n_tokens, stride) of one head. */
static void normalize(const alignment *a, const float *scores, size_t stride)
{
    for (size_t t = 0; t < a->n_tokens; t++) {
        double by = whisper_log_sum(scores + t * stride, a->n_audio);
        for (size_t f = 0; f < a->n_audio; f++)
            a->weights[t * a->n_audio + f] = exp(scores[t * stride + f] - by);
    }
    for (size_t f = 0; f < a->n_audio; f++) {
        double *x = a->weights + f, mean = 0, square = 0;
        for (size_t t = 0; t < a->n_tokens; t++)
            mean += x[t * a->n_audio];
        mean /= (double)a->n_tokens;
        for (size_t t = 0; t < a->n_tokens; t++) {
            double off = x[t * a->n_audio] - mean;
            square += off * off;
        }
        double deviation = sqrt(square / (double)a->n_tokens);
        for (size_t t = 0; t < a->n_tokens; t++)
            x[t * a->n_audio] = (x[t * a->n_audio] - mean) / deviation;
    }
}

/* Subtracts the medians of a head's weights from matrix, so that the path is cheapest where attention is
   strongest. */
static void add_head(const alignment *a, const float *scores, size_t stride, size_t n_heads)
{
    normalize(a, scores, stride);
    for (size_t r = 0; r < a->rows; r++) {
        double *out = a->matrix + r * a->n_audio;
        whisper_medians(a->weights + (a->begin + r) * a->n_audio, a->n_audio, a->medians);
        for (size_t f = 0; f < a->n_audio; f++)
            out[f] -= a->medians[f] / (double)n_heads;
    }
}

static sib_code warp(const alignment *a, double *times, sib_error *err)
{
    int64_t *first = mem_alloc(a->rows, sizeof *first);
    if (!first)
        return err_memory(err, a->rows * sizeof *first, "an alignment");
    sib_code code = whisper_warp(a->matrix, a->rows, a->n_audio, first, err);
    for (size_t i = 0; i < a->rows && code == SIB_OK; i++)
        times[i] = (double)first[i] * WHISPER_TOKEN_FRAMES / WHISPER_FRAME_RATE;
    mem_free(first);
    return code;
}

/* The heads to use. *own: memory to free, NULL where the model names the heads. */
static sib_code find_heads(const whisper_model *m, const int32_t (**heads)[2], size_t *n, int32_t (**own)[2],
                           sib_error *err)
{
    *own = NULL;
    *heads = m->alignment_heads;
    *n = m->n_alignment_heads;
    if (*heads && *n > 0)
        return SIB_OK;
    const size_t lower = m->n_text_layer / 2;
    *n = (m->n_text_layer - lower) * m->n_text_head;
    *own = mem_alloc(*n, sizeof **own);
    if (!*own)
        return err_memory(err, *n * sizeof **own, "alignment heads");
    for (size_t i = 0; i < *n; i++) {
        (*own)[i][0] = (int32_t)(lower + i / m->n_text_head);
        (*own)[i][1] = (int32_t)(i % m->n_text_head);
    }
    *heads = (const int32_t(*)[2]) * own;
    return SIB_OK;
}

/* Probabilities of text (n), each by the logits of the preceding row, among the tokens below the end
   token. */
static void find_probabilities(const whisper_decoder *d, const float *logits, const int32_t *text, size_t n,
                               double *out)
{
    for (size_t i = 0; i < n; i++) {
        const float *x = logits + i * d->model->n_vocab;
        out[i] = exp(x[text[i]] - whisper_log_sum(x, (size_t)d->tokens->eot));
    }
}

sib_code whisper_align_tokens(const whisper_tokens *w, size_t n_text_ctx, const int32_t *text, size_t n,
                              token_ids *out, sib_error *err)
{
    if (w->n_start + n + 2 > n_text_ctx)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "sample_len: a window has %zu tokens, but the alignment of words has room for %zu", n,
                       n_text_ctx - size_min(w->n_start + 2, n_text_ctx));
    sib_code code = ids_append(out, w->start, w->n_start, err);
    if (code == SIB_OK)
        code = ids_add(out, w->no_timestamps, err);
    if (code == SIB_OK)
        code = ids_append(out, text, n, err);
    return code == SIB_OK ? ids_add(out, w->eot, err) : code;
}

static sib_code alignment_make(alignment *a, sib_error *err)
{
    size_t cells;
    if (!size_mul(a->n_tokens, a->n_audio, &cells))
        return err_set(err, SIB_ERR_SIZE, "an alignment of %zu by %zu does not fit in memory", a->n_tokens,
                       a->n_audio);
    a->weights = mem_alloc(cells, sizeof *a->weights);
    a->matrix = mem_calloc(cells, sizeof *a->matrix);
    a->medians = mem_alloc(a->n_audio, sizeof *a->medians);
    return a->weights && a->matrix && a->medians ? SIB_OK
                                                 : err_memory(err, cells * sizeof *a->weights, "attention");
}

sib_code whisper_align(whisper_decoder *d, const int32_t *text, size_t n, size_t n_audio, double *times,
                       double *probabilities, sib_error *err)
{
    const whisper_model *m = d->model;
    token_ids tokens = {0};
    const int32_t(*heads)[2];
    int32_t(*own)[2] = NULL;
    float *scores = NULL;
    size_t n_heads = 0, stride = m->n_audio_ctx, n_scores = 0;
    alignment a = {.n_audio = size_min(n_audio, stride), .begin = d->tokens->n_start, .rows = n + 1};
    sib_code code = whisper_align_tokens(d->tokens, m->n_text_ctx, text, n, &tokens, err);
    a.n_tokens = tokens.n;
    if (code == SIB_OK)
        code = find_heads(m, &heads, &n_heads, &own, err);
    if (code == SIB_OK)
        code = whisper_logits_room(d, tokens.n, err);
    if (code == SIB_OK)
        code = alignment_make(&a, err);
    if (code == SIB_OK && (!size_mul(n_heads, tokens.n, &n_scores) || !size_mul(n_scores, stride, &n_scores)))
        code = err_set(err, SIB_ERR_SIZE, "attention of %zu heads does not fit in memory", n_heads);
    if (code == SIB_OK) {
        scores = mem_alloc(n_scores, sizeof *scores);
        code = scores ? m->align(m->self, tokens.n, tokens.ids, n_heads, heads, scores, d->logits, err)
                      : err_memory(err, n_scores * sizeof *scores, "attention");
    }
    if (code == SIB_OK) {
        find_probabilities(d, d->logits + a.begin * m->n_vocab, text, n, probabilities);
        for (size_t h = 0; h < n_heads; h++)
            add_head(&a, scores + h * tokens.n * stride, stride, n_heads);
        code = warp(&a, times, err);
    }
    mem_free(scores);
    mem_free(own);
    mem_free(a.weights);
    mem_free(a.matrix);
    mem_free(a.medians);
    ids_free(&tokens);
    return code;
}
