/* The kernels of the front ends against the definition in double, frame by frame before the clamp to the
   recording's maximum: speech, noise, tones and hostile values, any description. */
#include "features/mel_internal.h"
#include "features/reference.h"
#include "trial.h"

#include "base/size.h"

#include <float.h>

/* x (n): speech, a tone, or numbers of one fill. */
static const float *samples(trial *t, size_t n)
{
    float *x = trial_in(t, n, sizeof *x);
    const double step = check_uniform(&t->r) * REF_PI;
    if (t->bench || t->round % 4 == 0)
        ref_speechlike(x, n, 0.5, t->round);
    else if (t->round % 4 == 1)
        for (size_t i = 0; i < n; i++)
            x[i] = (float)sin(step * (double)i);
    else
        trial_fill_floats(t, x, n, t->round % 4 == 2 ? FILL_UNIFORM : trial_fill_of(t));
    return x;
}

typedef struct tolerance {
    double absolute, relative; /* of a value that is not doubtful */
} tolerance;

/* One call and its results: frame i begins at frames[i], row m of the features at out + m * stride. */
typedef struct result {
    const sib_mel *mel;
    const float *const *frames;
    size_t n, stride;
    const float *out, *limits; /* limits: (n) or NULL */
    tolerance allowed;
} result;

/* Energy of a frame: of bin 0 and, weighted, of the bands. Not finite where a sample is not. */
static double total_energy(const sib_mel *mel, const float *frame, const double *energies)
{
    const sib_mel_spec *s = &mel->spec;
    const double *weights = mel->doubles.energy_weights;
    double sum = 0, total = 0;
    for (int i = 0; i < s->win_length; i++)
        sum += (double)frame[i] * ref_window(s, i);
    for (int m = 0; m < s->n_mels; m++)
        total += weights[m] * energies[m];
    return total + sum * sum;
}

static double z_of(const sib_mel_spec *s, double energy)
{
    const double e = fmax(energy, s->log_floor), db = s->power == 2 ? 10 : 20;
    const double logarithm = s->log == SIB_LOG_LN      ? log(e)
                             : s->log == SIB_LOG_LOG10 ? log10(e)
                             : s->log == SIB_LOG_DB    ? db * (log10(e) - log10(s->log_reference))
                                                       : energy;
    return (logarithm + s->offset) * s->gain;
}

/* Checks frame i; returns false where its energies overflow. energies: (n_mels) of the definition. */
static bool expect_frame(const trial *t, const result *r, size_t i, const double *energies)
{
    const sib_mel *mel = r->mel;
    const sib_mel_spec spec = mel->spec;
    const double *levels = mel->doubles.band_levels;
    const double total = total_energy(mel, r->frames[i], energies),
                 limit = r->limits ? (double)r->limits[i] : 0;
    const bool fits = total <= 1e-3 * (double)FLT_MAX;
    double mean = mel->tables.below_mean, lowest = INFINITY;
    for (int m = 0; m < spec.n_mels && fits; m++) {
        const double z = z_of(&spec, energies[m]), relative = z - levels[m];
        mean += relative / spec.n_mels;
        lowest = fmin(lowest, relative);
        if (!r->limits || relative >= limit)
            trial_expect(t, (size_t)m * r->n + i, r->out[(size_t)m * r->stride + i], z,
                         r->allowed.absolute + r->allowed.relative * fabs(z));
    }
    if (r->limits && fits) {
        const double want = fmax(z_of(&spec, total) + (double)mel->tables.below_total, mean),
                     slack = 1e-2 + 1e-5 * fabs(want); /* levels of bands without bins are huge */
        if (r->limits[i] != -FLT_MAX)
            trial_expect(t, i, limit, want, slack);
        else if (lowest < want - slack)
            trial_expect(t, i, lowest, want, slack);
    }
    return fits;
}

/* Checks all frames. tally: of the call, or NULL. */
static void expect_frames(const trial *t, const result *r, const mel_tally *tally)
{
    bool fits = true;
    float maximum = -FLT_MAX;
    sib_mel_spec plain = r->mel->spec;
    plain.framing = SIB_FRAMING_WHOLE;
    ref_front front = ref_front_make(&plain);
    double *energies = malloc(sizeof *energies * (size_t)plain.n_mels);
    for (size_t i = 0; i < r->n; i++) {
        ref_energies(&front, r->frames[i], plain.win_length, plain.win_length, 0, energies);
        fits &= expect_frame(t, r, i, energies);
    }
    ref_front_free(&front);
    free(energies);
    for (size_t i = 0; i < r->n * (size_t)r->mel->spec.n_mels; i++)
        maximum = fmaxf(maximum, r->out[i / r->n * r->stride + i % r->n]);
    if (tally && fits) {
        trial_expect(t, 0, tally->maximum, maximum, 0);
        trial_expect(t, 0, tally->overflow, false, 0);
    }
}

static void *scratch_of(trial *t, const mel_kernel *kernel, const sib_mel *mel)
{
    const size_t units = size_ceil_div(kernel->scratch_bytes(&mel->tables), 64);
    return trial_out(t, 64, 1, units, units, TRIAL_ALONE);
}

static void block_of(trial *t, const mel_kernel *kernel, const sib_mel *mel, tolerance allowed)
{
    const size_t n = t->bench ? 64 : 1 + t->round % 20, n_mels = (size_t)mel->spec.n_mels,
                 hop = (size_t)mel->spec.hop_length, length = (size_t)mel->spec.win_length;
    const float *x = samples(t, (n - 1) * hop + length), *frames[64];
    for (size_t i = 0; i < n; i++)
        frames[i] = x + i * hop;
    result r = {.mel = mel, .frames = frames, .n = n, .stride = n + trial_pick(t, 0, 3), .allowed = allowed};
    float *out = trial_out(t, sizeof *out, n_mels, n, r.stride, TRIAL_ALONE), *limits = NULL;
    if (kernel->single && mel->tables.logarithm)
        limits = trial_out(t, sizeof *limits, 1, n, n, TRIAL_ALONE);
    void *scratch = scratch_of(t, kernel, mel);
    mel_tally tally = {.maximum = -FLT_MAX};
    const mel_rows rows = mel_rows_of(out, n_mels, r.stride);
    TIMED(t, n * n_mels, kernel->block(&mel->tables, x, n, &rows, limits, &tally, scratch));
    r.out = out;
    r.limits = limits;
    expect_frames(t, &r, &tally);
}

static void gather_of(trial *t, const mel_kernel *kernel, const sib_mel *mel, tolerance allowed)
{
    const size_t n = t->bench ? 64 : 1 + t->round % 20, n_mels = (size_t)mel->spec.n_mels,
                 length = (size_t)mel->spec.win_length, room = length + 999;
    const float *x = samples(t, room);
    const float **frames = trial_in(t, n, sizeof *frames);
    for (size_t i = 0; i < n; i++)
        frames[i] = x + (i ? trial_pick(t, 0, room - length) : room - length);
    result r = {.mel = mel, .frames = frames, .n = n, .stride = n + trial_pick(t, 0, 3), .allowed = allowed};
    float *out = trial_out(t, sizeof *out, n_mels, n, r.stride, TRIAL_ALONE);
    void *scratch = scratch_of(t, kernel, mel);
    TIMED(t, n * n_mels, kernel->gather(&mel->tables, frames, n, out, r.stride, scratch));
    r.out = out;
    expect_frames(t, &r, NULL);
}

/* A front end for the 400-point kernel: Whisper's, or one with other steps after the transform. */
static sib_mel *whisper_like(trial *t, bool precise)
{
    sib_mel_spec spec;
    sib_mel *mel;
    sib_error err = SIB_ERROR_INIT;
    const int32_t bands = t->bench || t->round % 4 == 0 ? 80 : 1 + (int32_t)trial_pick(t, 0, 199);
    CHECK_OK(sib_mel_spec_preset("whisper", bands, &spec, &err), err);
    if (!t->bench && t->round % 3 == 0) {
        spec.log = (sib_log)trial_pick(t, SIB_LOG_NONE, SIB_LOG_DB);
        spec.scale = (sib_mel_scale)trial_pick(t, 0, 1);
        spec.f_min = (double)trial_pick(t, 0, 150);
    }
    CHECK_OK(sib_mel_create(&spec, &(sib_mel_options){.precise = precise}, &mel, &err), err);
    return mel;
}

static void fft400_f32(trial *t)
{
    sib_mel *mel = whisper_like(t, false);
    block_of(t, &t->tables->mel.fft400_f32, mel, (tolerance){1e-4, 2e-5});
    sib_mel_free(&mel);
}

static void fft400_f64(trial *t)
{
    sib_mel *mel = whisper_like(t, true);
    block_of(t, &t->tables->mel.fft400_f64, mel, (tolerance){1e-7, 2e-7});
    sib_mel_free(&mel);
}

static void gather_f64(trial *t)
{
    sib_mel *mel = whisper_like(t, true);
    gather_of(t, &t->tables->mel.fft400_f64, mel, (tolerance){1e-7, 2e-7});
    sib_mel_free(&mel);
}

static void gather_f32(trial *t)
{
    sib_mel *mel = whisper_like(t, false);
    gather_of(t, &t->tables->mel.fft400_f32, mel, (tolerance){1e-2, 1e-2});
    sib_mel_free(&mel);
}

/* Any description. */
static void general_f64(trial *t)
{
    static const int32_t sizes[] = {512, 2,   3,   4,   5,   7,   8,   9,   16,  30,  31,  49,   60,
                                    97,  121, 127, 128, 210, 251, 256, 399, 400, 401, 480, 1000, 1009};
    sib_mel_spec spec;
    sib_mel *mel;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_mel_spec_preset("kaldi", t->bench ? 80 : 1 + (int32_t)trial_pick(t, 0, 39), &spec, &err),
             err);
    if (!t->bench) {
        spec.n_fft = sizes[t->round % COUNT(sizes)];
        spec.win_length = 1 + (int32_t)trial_pick(t, 0, (size_t)spec.n_fft - 1);
        spec.hop_length = 1 + (int32_t)trial_pick(t, 0, 299);
        spec.window = (sib_window)trial_pick(t, SIB_WINDOW_HANN, SIB_WINDOW_RECTANGULAR);
        spec.remove_dc = trial_pick(t, 0, 1);
        spec.preemphasis = trial_pick(t, 0, 1) ? 0.9 : 0;
        spec.power = (double)trial_pick(t, 1, 2);
        spec.scale = (sib_mel_scale)trial_pick(t, 0, 1);
        spec.norm = (sib_mel_norm)trial_pick(t, 0, 1);
        spec.slope = (sib_mel_slope)trial_pick(t, 0, 1);
        spec.log = (sib_log)trial_pick(t, SIB_LOG_NONE, SIB_LOG_DB);
        spec.log_reference = 0.5;
        spec.f_min = trial_pick(t, 0, 1) ? 100 : 0;
        spec.f_max = trial_pick(t, 0, 1) ? 7000 : 0;
    }
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    block_of(t, &t->tables->mel.general_f64, mel, (tolerance){3e-7, 3e-7});
    sib_mel_free(&mel);
}

/* Average of the neighbours that exist, in double, of one block of `columns` among `left + columns + right`. */
static void average_f32(trial *t)
{
    const size_t rows = t->bench ? 80 : trial_pick(t, 1, 9), valid = rows > 2 && trial_pick(t, 0, 1),
                 columns = t->bench ? MEL_AVERAGE_COLUMNS : trial_pick(t, 1, 40),
                 left = valid || trial_pick(t, 0, 1), right = valid || trial_pick(t, 0, 1),
                 stride = left + columns + right + trial_pick(t, 0, 3);
    float *in = trial_in(t, rows * stride, sizeof *in);
    trial_fill_floats(t, in, rows * stride, FILL_UNIFORM);
    const float min = -0.5f;
    float *out = trial_out(t, sizeof *out, rows, columns, columns + 2, TRIAL_ALONE);
    const mel_average a = {.in = mel_rows_of(in + left, rows, stride),
                           .rows = rows,
                           .columns = columns,
                           .left = left ? in : NULL,
                           .right = right ? in + left + columns : NULL,
                           .left_stride = stride,
                           .right_stride = stride,
                           .min = min,
                           .valid = valid,
                           .out = mel_rows_of(out, rows, columns + 2)};
    for (size_t m = 0; m < rows; m++) /* rows without a result */
        for (size_t c = 0; c < columns && valid; c++)
            out[m * (columns + 2) + c] = 0;
    TIMED(t, rows * columns, t->tables->mel.average(&a));
    for (size_t m = valid; m < rows - valid; m++)
        for (size_t c = 0; c < columns; c++) {
            double sum = 0;
            int n = 0;
            for (size_t i = m ? m - 1 : 0; i < size_min(m + 2, rows); i++)
                for (size_t k = c + left ? c + left - 1 : 0;
                     k < size_min(c + left + 2, left + columns + right); k++, n++)
                    sum += fmaxf(in[i * stride + k], min);
            const double got = out[m * (columns + 2) + c];
            if (!(fabs(got - sum / n) <= 5e-7))
                fail_msg("row %zu, column %zu is %g, expected %g", m, c, got, sum / n);
        }
}

#define ROUNDS 52 /* the definition takes long; each of the sizes of general_f64 twice */

static const trial_row rows[] = {
    OTHER_ENTRY(ROUNDS, mel.fft400_f32.block, fft400_f32),
    OTHER_ENTRY(ROUNDS, mel.fft400_f32.gather, gather_f32),
    OTHER_DATA(mel.fft400_f32.scratch_bytes),
    OTHER_DATA(mel.fft400_f32.lanes),
    OTHER_DATA(mel.fft400_f32.single),
    OTHER_ENTRY(ROUNDS, mel.fft400_f64.block, fft400_f64),
    OTHER_ENTRY(ROUNDS, mel.fft400_f64.gather, gather_f64),
    OTHER_DATA(mel.fft400_f64.scratch_bytes),
    OTHER_DATA(mel.fft400_f64.lanes),
    OTHER_DATA(mel.fft400_f64.single),
    OTHER_ENTRY(ROUNDS, mel.general_f64.block, general_f64),
    OTHER_DATA(mel.general_f64.gather),
    OTHER_DATA(mel.general_f64.scratch_bytes),
    OTHER_DATA(mel.general_f64.lanes),
    OTHER_DATA(mel.general_f64.single),
    OTHER_ENTRY(ROUNDS, mel.average, average_f32),
};
const trial_family family_mel = {"mel", rows, COUNT(rows)};
