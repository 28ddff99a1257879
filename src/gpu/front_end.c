/* The log-mel front end, as launches of the kernels `mel` or `mel400`, and `mel_clamp` or `mel_finish`. */
#include "gpu/front_end.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "gpu/kernels.h"

#include <math.h>
#include <string.h>

/* Parts of a recording, and of all of them, which a launch is divided into: each group of the second one reads those
   of a recording, and a GPU has about 800 groups of the first one at once. */
#define PARTS_MAX 2048
#define PARTS_ALL 8192

/* ---- Claiming ------------------------------------------------------------------------------------------ */

/* Whether it is for the kernel of 400 samples. */
static bool is_400(const sib_mel_spec *s)
{
    return s->n_fft == (int)MEL400_SIZE && s->win_length == (int)MEL400_SIZE &&
           s->hop_length == (int)MEL400_HOP && !s->remove_dc && s->preemphasis == 0 && s->power == 2 &&
           s->log != SIB_LOG_NONE;
}

static size_t inset_of(const front_end_task *t)
{
    return t->spec.smooth == SIB_SMOOTH_VALID;
}

sib_code gpu_front_end_check(const sib_mel_spec *s, sib_error *err)
{
    return s->n_fft <= (int32_t)MEL_SIZE
               ? SIB_OK
               : err_set(err, SIB_ERR_UNSUPPORTED, "n_fft is %d, on a device at most %u", (int)s->n_fft,
                         MEL_SIZE);
}

bool gpu_front_end_takes(const front_end_task *t)
{
    const sib_mel_spec *s = &t->spec;
    const size_t most = INT32_MAX / 4, bands = (size_t)s->n_mels, frames = t->columns + 2 * inset_of(t);
    size_t all;
    return gpu_front_end_check(s, NULL) == SIB_OK && t->recordings && t->columns &&
           t->rows + 2 * inset_of(t) == bands && t->total <= most && t->samples && t->samples <= t->total &&
           size_mul(t->recordings, t->samples, &all) && all <= most && size_mul(bands, frames, &all) &&
           size_mul(all, t->recordings, &all) && all <= most &&
           (s->framing != SIB_FRAMING_CENTER_REFLECT || t->total > (size_t)s->n_fft / 2);
}

/* ---- Tables -------------------------------------------------------------------------------------------- */

/* Words in order; NULL: they are counted. */
typedef struct tables {
    uint32_t *words;
    size_t n;
} tables;

static void put(tables *t, uint32_t word)
{
    if (t->words)
        t->words[t->n] = word;
    t->n++;
}

static void put_number(tables *t, double number)
{
    const float f = (float)number;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    put(t, bits);
}

static double window_at(const sib_mel_spec *s, uint32_t i)
{
    const double n = s->win_length - (s->window != SIB_WINDOW_HANN),
                 a = s->window == SIB_WINDOW_HAMMING ? 0.54 : 0.5;
    const double w = a - (1 - a) * (n > 0 ? cos(2 * M_PI * i / n) : -1);
    return s->window == SIB_WINDOW_RECTANGULAR ? 1 : s->window == SIB_WINDOW_POVEY ? pow(w, 0.85) : w;
}

/* The bins of a band that have weights: first .. end - 1. */
typedef struct bins {
    uint32_t first, end;
} bins;

static bins bins_of(const double *row, uint32_t n)
{
    bins b = {0, n};
    while (b.first < b.end && row[b.first] == 0)
        b.first++;
    while (b.end > b.first && row[b.end - 1] == 0)
        b.end--;
    return b;
}

/* Where the window begins. */
static uint32_t window_of(const sib_mel_spec *s)
{
    const uint32_t bands = (uint32_t)s->n_mels;
    return is_400(s) ? bands + 1 : 3 * bands + 2 * (uint32_t)s->n_fft;
}

/* Those of mel400, or of mel. weights: (n_mels, n_fft / 2 + 1). */
static void fill_400(const sib_mel_spec *s, const double *weights, tables *t)
{
    const uint32_t n_bins = (uint32_t)s->n_fft / 2 + 1, bands = (uint32_t)s->n_mels;
    uint32_t at = window_of(s) + (uint32_t)s->win_length;
    for (uint32_t m = 0; m < bands; m++) {
        const bins b = bins_of(weights + m * n_bins, n_bins);
        put(t, at);
        at += 2 * (b.end - b.first);
    }
    put(t, at);
    for (uint32_t i = 0; i < (uint32_t)s->win_length; i++)
        put_number(t, window_at(s, i));
    for (uint32_t m = 0; m < bands; m++) {
        const bins b = bins_of(weights + m * n_bins, n_bins);
        for (uint32_t i = b.first; i < b.end; i++) {
            put(t, MEL400_PLACE(i));
            put_number(t, weights[m * n_bins + i] * MEL400_PART(i));
        }
    }
    put(t, 0);
    put(t, 0);
}

static void fill_general(const sib_mel_spec *s, const double *weights, tables *t)
{
    const uint32_t n = (uint32_t)s->n_fft, n_bins = n / 2 + 1, bands = (uint32_t)s->n_mels;
    uint32_t at = window_of(s) + (uint32_t)s->win_length;
    for (uint32_t m = 0; m < bands; m++) {
        const bins b = bins_of(weights + m * n_bins, n_bins);
        put(t, b.first);
        put(t, b.end - b.first);
        put(t, at);
        at += b.end - b.first;
    }
    for (uint32_t k = 0; k < n; k++) {
        put_number(t, cos(2 * M_PI * k / n));
        put_number(t, sin(2 * M_PI * k / n));
    }
    for (uint32_t i = 0; i < (uint32_t)s->win_length; i++)
        put_number(t, window_at(s, i));
    for (uint32_t m = 0; m < bands; m++) {
        const bins b = bins_of(weights + m * n_bins, n_bins);
        for (uint32_t i = b.first; i < b.end; i++)
            put_number(t, weights[m * n_bins + i]);
    }
}

static void fill(const sib_mel_spec *s, const double *weights, tables *t)
{
    if (is_400(s))
        fill_400(s, weights, t);
    else
        fill_general(s, weights, t);
}

sib_code gpu_front_end_tables(const sib_mel *mel, uint32_t **out, size_t *n, sib_error *err)
{
    const sib_mel_spec *s = sib_mel_get_spec(mel);
    const size_t count = ((size_t)s->n_fft / 2 + 1) * (size_t)s->n_mels;
    double *weights = mem_alloc(count, sizeof *weights);
    tables t = {0};
    *out = NULL;
    if (!weights)
        return err_memory(err, count * sizeof *weights, "bands");
    sib_mel_weights(mel, weights);
    fill(s, weights, &t);
    *n = t.n;
    *out = mem_alloc(t.n, sizeof **out);
    if (*out)
        fill(s, weights, &(tables){*out, 0});
    mem_free(weights);
    return *out ? SIB_OK : err_memory(err, t.n * sizeof **out, "a front end");
}

/* ---- Launches ------------------------------------------------------------------------------------------ */

static void add(front_end *f, gpu_kernel kernel, size_t groups, size_t n, const front_end_buffer *buffers,
                const void *args)
{
    front_end_launch *l = &f->launches[f->n_launches++];
    *l = (front_end_launch){.kernel = kernel, .n = n, .groups = groups};
    memcpy(l->buffers, buffers, n * sizeof *buffers);
    memcpy(l->args, args, gpu_args_bytes(kernel));
}

/* What the kernels of values have in common: features = scale log2(energy) + shift, or scale energy + shift. */
static gpu_mel_args args_of(const front_end_task *t)
{
    const sib_mel_spec *s = &t->spec;
    const bool whole = s->framing == SIB_FRAMING_WHOLE;
    const double db = s->power == 2 ? 10 : 20,
                 ln = s->log == SIB_LOG_LN ? 1 : (s->log == SIB_LOG_DB ? db : 1) / log(10),
                 shift = s->log == SIB_LOG_DB ? -db * log10(s->log_reference) : 0;
    gpu_mel_args a = {
        .flags = (s->framing == SIB_FRAMING_CENTER_REFLECT ? MEL_REFLECT : 0) |
                 (s->remove_dc ? MEL_REMOVE_DC : 0) | (s->power == 1 ? MEL_MAGNITUDE : 0) |
                 (s->log != SIB_LOG_NONE ? MEL_LOG : 0),
        .samples = (uint32_t)t->samples,
        .total = (uint32_t)t->total,
        .frames = (uint32_t)(t->columns + 2 * inset_of(t)),
        .hop = (uint32_t)s->hop_length,
        .before = whole ? 0 : (uint32_t)(s->n_fft / 2 - (s->n_fft - s->win_length) / 2),
        .span = (uint32_t)s->win_length,
        .n = (uint32_t)s->n_fft,
        .n1 = 1,
        .bands = (uint32_t)s->n_mels,
        .window = window_of(s),
        .turns = 3 * (uint32_t)s->n_mels,
        .preemphasis = (float)s->preemphasis,
        .log_floor = (float)s->log_floor,
        .scale = (float)(s->gain * (s->log == SIB_LOG_NONE ? 1 : ln * log(2))),
        .shift = (float)(s->gain * (s->offset + shift)),
    };
    for (uint32_t i = 2; i * i <= a.n; i++)
        a.n1 = a.n % i == 0 ? i : a.n1;
    return a;
}

static void add_values(front_end *f, const front_end_task *t, const gpu_mel_args *a, front_end_buffer to)
{
    const front_end_buffer buffers[] = {FRONT_TABLES, FRONT_SAMPLES, to, FRONT_LARGEST, FRONT_SMALLEST};
    const gpu_mel400_args by_400 = {.flags = a->flags,
                                    .count = a->count,
                                    .parts = a->parts,
                                    .width = a->width,
                                    .samples = a->samples,
                                    .total = a->total,
                                    .frames = a->frames,
                                    .before = a->before,
                                    .bands = a->bands,
                                    .window = a->window,
                                    .log_floor = a->log_floor,
                                    .scale = a->scale,
                                    .shift = a->shift};
    if (is_400(&t->spec))
        add(f, GPU_mel400, a->count, 5, buffers, &by_400);
    else
        add(f, GPU_mel, a->count, 5, buffers, a);
}

static void add_end(front_end *f, const front_end_task *t, const gpu_mel_args *a)
{
    const size_t across = size_ceil_div(t->columns, MEL_FINISH_COLUMNS), groups = across * t->recordings;
    const gpu_mel_clamp_args clamp = {.count = a->count,
                                      .parts = a->parts,
                                      .width = a->width,
                                      .bands = a->bands,
                                      .frames = a->frames,
                                      .joint = t->joint,
                                      .range = (float)(t->spec.dynamic_range * t->spec.gain)};
    const gpu_mel_finish_args finish = {.count = (uint32_t)groups,
                                        .across = (uint32_t)across,
                                        .rows = (uint32_t)t->rows,
                                        .columns = (uint32_t)t->columns,
                                        .bands = a->bands,
                                        .frames = a->frames,
                                        .inset = (uint32_t)inset_of(t),
                                        .parts = a->parts,
                                        .all_parts = a->count,
                                        .joint = t->joint,
                                        .range = clamp.range};
    if (t->spec.smooth != SIB_SMOOTH_NONE)
        add(f, GPU_mel_finish, groups, 3,
            (const front_end_buffer[]){FRONT_LARGEST, FRONT_VALUES, FRONT_FEATURES}, &finish);
    else if (t->spec.dynamic_range > 0)
        add(f, GPU_mel_clamp, a->count, 3,
            (const front_end_buffer[]){FRONT_LARGEST, FRONT_SMALLEST, FRONT_FEATURES}, &clamp);
}

void gpu_front_end_plan(const front_end_task *t, front_end *out)
{
    gpu_mel_args a = args_of(t);
    /* parts of whole steps of the kernel */
    const size_t step = is_400(&t->spec) ? MEL400_FRAMES : 1, steps = size_ceil_div(a.frames, step);
    const size_t most = size_min(PARTS_MAX, size_ceil_div(PARTS_ALL, t->recordings)),
                 each = size_ceil_div(steps, size_min(most, steps));
    a.width = (uint32_t)(each * step);
    a.parts = (uint32_t)size_ceil_div(steps, each);
    a.count = (uint32_t)(a.parts * t->recordings);
    const bool averages = t->spec.smooth != SIB_SMOOTH_NONE;
    *out = (front_end){.words = {[FRONT_SAMPLES] = t->recordings * t->samples,
                                 [FRONT_FEATURES] = t->recordings * t->rows * t->columns,
                                 [FRONT_VALUES] = averages ? t->recordings * a.bands * a.frames : 0,
                                 [FRONT_LARGEST] = a.count,
                                 [FRONT_SMALLEST] = a.count}};
    add_values(out, t, &a, averages ? FRONT_VALUES : FRONT_FEATURES);
    add_end(out, t, &a);
}

void gpu_front_end_groups(const front_end_launch *l, uint32_t groups[3])
{
    groups[0] = (uint32_t)size_min(l->groups, GPU_GROUPS_ALONG_X);
    groups[1] = (uint32_t)size_ceil_div(l->groups, GPU_GROUPS_ALONG_X);
    groups[2] = 1;
}
