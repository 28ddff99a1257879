/* The log-mel front end, as launches of the kernels `mel`, `reduce` and `mel_finish`. */
#include "backend/gpu/gpu.h"
#include "base/array.h"

#include <math.h>
#include <string.h>

/* What the node is, read once to claim and once to plan. */
typedef struct front_end {
    sib_mel_spec spec;
    gpu_mel_args args;
    gpu_mel_finish_args finish;
    size_t recordings;
} front_end;

static void set_logarithm(front_end *f)
{
    const sib_mel_spec *s = &f->spec;
    const double db = s->power == 2 ? 10 : 20;
    if (s->log != SIB_LOG_NONE)
        f->args.flags |= MEL_LOG;
    f->args.log_floor = (float)s->log_floor;
    f->args.scale = (float)(s->log == SIB_LOG_LOG10 ? 1 / log(10) : s->log == SIB_LOG_DB ? db / log(10) : 1);
    f->args.shift = (float)(s->log == SIB_LOG_DB ? -db * log10(s->log_reference) : 0);
}

static bool read_front_end(const node_view *n, front_end *f)
{
    gpu_tensor x, y;
    const mel_spec given = spec_mel(n->node);
    *f = (front_end){.spec = spec_front_end(&given)};
    const sib_mel_spec *s = &f->spec;
    if (!gpu_tensor_of(n->graph, n->in[0], &x) || !gpu_tensor_of(n->graph, n->out[0], &y) ||
        x.dtype != SIB_F32 || y.dtype != SIB_F32 || x.wide || y.wide || !x.rank || y.rank < 2 ||
        s->n_fft > (int32_t)MEL_SIZE || x.dims[x.rank - 1] > INT32_MAX / 4)
        return false;
    const uint32_t inset = s->smooth == SIB_SMOOTH_VALID, samples = (uint32_t)x.dims[x.rank - 1];
    const bool whole = s->framing == SIB_FRAMING_WHOLE;
    f->recordings = x.count / samples;
    f->args = (gpu_mel_args){
        .flags = (s->framing == SIB_FRAMING_CENTER_REFLECT ? MEL_REFLECT : 0) |
                 (s->remove_dc ? MEL_REMOVE_DC : 0) | (s->power == 1 ? MEL_MAGNITUDE : 0),
        .samples = samples,
        .frames = (uint32_t)y.dims[y.rank - 1] + 2 * inset,
        .hop = (uint32_t)s->hop_length,
        .before = whole ? 0 : (uint32_t)(s->n_fft / 2 - (s->n_fft - s->win_length) / 2),
        .span = (uint32_t)s->win_length,
        .n = (uint32_t)s->n_fft,
        .n1 = 1,
        .bands = (uint32_t)s->n_mels,
        .preemphasis = (float)s->preemphasis,
    };
    for (uint32_t i = 2; i * i <= f->args.n; i++)
        f->args.n1 = f->args.n % i == 0 ? i : f->args.n1;
    f->finish = (gpu_mel_finish_args){
        .count = (uint32_t)y.count,
        .rows = (uint32_t)y.dims[y.rank - 2],
        .columns = (uint32_t)y.dims[y.rank - 1],
        .bands = f->args.bands,
        .frames = f->args.frames,
        .inset = inset,
        .reach = s->smooth != SIB_SMOOTH_NONE,
        .range = (float)s->dynamic_range,
        .offset = (float)s->offset,
        .gain = (float)s->gain,
    };
    set_logarithm(f);
    return f->finish.rows + 2 * inset == f->args.bands &&
           ((f->args.flags & MEL_REFLECT) == 0 || samples > f->args.n / 2) &&
           f->recordings * f->args.frames <= (size_t)GPU_GROUPS_ALONG_X * GPU_MAX_GROUPS &&
           (size_t)f->args.bands * f->args.frames * f->recordings <= INT32_MAX / 4;
}

static bool claims(const node_view *n)
{
    front_end f;
    return read_front_end(n, &f);
}

/* ---- Tables -------------------------------------------------------------------------------------------- */

static uint32_t bits_of(double number)
{
    const float f = (float)number;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static double window_at(const sib_mel_spec *s, uint32_t i)
{
    const double n = s->win_length - (s->window != SIB_WINDOW_HANN),
                 a = s->window == SIB_WINDOW_HAMMING ? 0.54 : 0.5;
    const double w = a - (1 - a) * (n > 0 ? cos(2 * M_PI * i / n) : -1);
    return s->window == SIB_WINDOW_RECTANGULAR ? 1 : s->window == SIB_WINDOW_POVEY ? pow(w, 0.85) : w;
}

/* Fills the kernel's tables; words (NULL: to count them). Returns their number. */
static size_t fill_tables(front_end *f, const double *weights, uint32_t *words)
{
    const size_t bins = f->args.n / 2 + 1;
    size_t at = 3 * (size_t)f->args.bands;
    f->args.turns = (uint32_t)at;
    for (uint32_t k = 0; k < f->args.n; k++, at += 2)
        if (words) {
            words[at] = bits_of(cos(2 * M_PI * k / f->args.n));
            words[at + 1] = bits_of(sin(2 * M_PI * k / f->args.n));
        }
    f->args.window = (uint32_t)at;
    for (uint32_t i = 0; i < f->args.span; i++, at++)
        if (words)
            words[at] = bits_of(window_at(&f->spec, i));
    for (uint32_t m = 0; m < f->args.bands; m++) {
        const double *row = weights + m * bins;
        size_t first = 0, end = bins;
        while (first < end && row[first] == 0)
            first++;
        while (end > first && row[end - 1] == 0)
            end--;
        if (words)
            memcpy(words + 3 * (size_t)m,
                   (const uint32_t[]){(uint32_t)first, (uint32_t)(end - first), (uint32_t)at},
                   3 * sizeof *words);
        for (size_t i = first; i < end; i++, at++)
            if (words)
                words[at] = bits_of(row[i]);
    }
    return at;
}

static sib_code add_tables(front_end *f, gpu_step *s, gpu_operand *out, sib_error *err)
{
    const size_t bins = f->args.n / 2 + 1, count = bins * f->args.bands;
    double *weights = mem_alloc(count, sizeof *weights);
    uint32_t *words = NULL;
    sib_mel *mel = NULL;
    sib_code code = weights ? sib_mel_create(&f->spec, NULL, &mel, err)
                            : err_memory(err, count * sizeof *weights, "bands");
    if (code == SIB_OK) {
        sib_mel_weights(mel, weights);
        const size_t n = fill_tables(f, weights, NULL);
        words = mem_alloc(n, sizeof *words);
        code = words ? SIB_OK : err_memory(err, n * sizeof *words, "a front end");
        if (words) {
            fill_tables(f, weights, words);
            code = gpu_words(s, words, n, out, err);
        }
    }
    sib_mel_free(&mel);
    mem_free(weights);
    mem_free(words);
    return code;
}

/* ---- Launches ------------------------------------------------------------------------------------------ */

static sib_code plan(const node_view *n, gpu_step *s, sib_error *err)
{
    front_end f;
    read_front_end(n, &f);
    const size_t frames = f.recordings * f.args.frames;
    gpu_operand tables, energies = gpu_scratch(s, frames * f.args.bands), of_frames = gpu_scratch(s, frames),
                        largest = gpu_scratch(s, f.recordings);
    const gpu_operand y = {GPU_OUT, 0, 0};
    const gpu_reduce_args reduce = {.op = PAIR_MAX,
                                    .count = (uint32_t)f.recordings,
                                    .n = f.args.frames,
                                    .inner = 1,
                                    .lanes = REDUCE_THREADS};
    sib_code code = add_tables(&f, s, &tables, err);
    if (code == SIB_OK)
        code = gpu_add_line(s, GPU_mel, 4, (const gpu_operand[]){tables, {GPU_IN, 0, 0}, energies, of_frames},
                            &f.args, frames, err);
    if (code == SIB_OK)
        code = gpu_add_line(s, GPU_reduce, 2, (const gpu_operand[]){of_frames, largest}, &reduce,
                            f.recordings, err);
    return code == SIB_OK ? gpu_add_line(s, GPU_mel_finish, 3, (const gpu_operand[]){energies, largest, y},
                                         &f.finish, size_ceil_div(f.finish.count, MEL_FINISH_THREADS), err)
                          : code;
}

const gpu_op gpu_log_mel = {.claims = claims, .plan = plan};
