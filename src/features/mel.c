/* Makes the tables of a front end. */
#include "base/alloc.h"
#include "base/error.h"
#include "features/mel_internal.h"
#include "features/rescue.h"

#include <string.h>

/* n doubles converted to floats; NULL where memory runs out. */
static float *narrowed(const double *x, size_t n)
{
    float *y = mem_alloc(n, sizeof *y);
    for (size_t i = 0; y && i < n; i++)
        y[i] = (float)x[i];
    return y;
}

/* Makes the numbers in double; returns false where memory runs out. */
static bool make_doubles(sib_mel *mel, size_t *n_weights)
{
    const sib_mel_spec *spec = &mel->spec;
    const size_t n_mels = (size_t)spec->n_mels, n_bins = (size_t)mel->tables.n_bins;
    mel_numbers *d = &mel->doubles;
    mel->dense_weights = mem_alloc(n_mels * n_bins, sizeof *mel->dense_weights);
    mel->segments = mem_alloc(n_mels + 1, sizeof *mel->segments);
    d->window = mem_alloc((size_t)spec->win_length, sizeof(double));
    d->log_coefs = mem_alloc(LOG_COEFS_MAX, sizeof(double));
    d->energy_weights = mem_alloc(n_mels, sizeof(double));
    d->band_levels = mem_alloc(n_mels, sizeof(double));
    if (!mel->dense_weights || !mel->segments || !d->window || !d->log_coefs || !d->energy_weights ||
        !d->band_levels)
        return false;
    if (mel_is_fft400(spec))
        mel_window_fft400(d->window);
    else
        mel_window(spec, d->window);
    mel_dense_weights(spec, mel->dense_weights, d->energy_weights);
    mel_log_coefs(spec, LOG_TERMS_F64, d->log_coefs);
    mel_band_levels(spec, mel->dense_weights, d->log_coefs, d->band_levels);
    *n_weights = 2 * mel_pack_segments(spec, mel->dense_weights, mel->segments, NULL);
    d->weights = mem_alloc(*n_weights, sizeof(double));
    if (!d->weights)
        return false;
    mel_pack_segments(spec, mel->dense_weights, mel->segments, d->weights);
    return true;
}

/* The same in float. */
static bool make_singles(sib_mel *mel, size_t n_weights)
{
    const mel_numbers *d = &mel->doubles;
    mel_numbers *s = &mel->singles;
    double coefs[LOG_COEFS_MAX];
    mel_log_coefs(&mel->spec, LOG_TERMS_F32, coefs);
    s->window = narrowed(d->window, (size_t)mel->spec.win_length);
    s->weights = narrowed(d->weights, n_weights);
    s->log_coefs = narrowed(coefs, LOG_COEFS_MAX);
    s->energy_weights = narrowed(d->energy_weights, (size_t)mel->spec.n_mels);
    s->band_levels = narrowed(d->band_levels, (size_t)mel->spec.n_mels);
    return s->window && s->weights && s->log_coefs && s->energy_weights && s->band_levels;
}

static void free_numbers(mel_numbers *n)
{
    mem_free(n->window);
    mem_free(n->weights);
    mem_free(n->log_coefs);
    mem_free(n->energy_weights);
    mem_free(n->band_levels);
}

static void use_numbers(mel_tables *t, const mel_numbers *n)
{
    t->window = n->window;
    t->weights = n->weights;
    t->log_coefs = n->log_coefs;
    t->energy_weights = n->energy_weights;
    t->band_levels = n->band_levels;
}

/* Makes everything that takes memory; returns false where it runs out. */
static bool make_numbers(sib_mel *mel)
{
    size_t n_weights = 0;
    if (!make_doubles(mel, &n_weights) || (mel->kernel.single && !make_singles(mel, n_weights)))
        return false;
    mel->tables.segments = mel->segments;
    rescue_limits(mel);
    mel->precise_tables = mel->tables;
    use_numbers(&mel->precise_tables, &mel->doubles);
    use_numbers(&mel->tables, mel->kernel.single ? &mel->singles : &mel->doubles);
    return true;
}

sib_code sib_mel_create(const sib_mel_spec *spec, const sib_mel_options *options, sib_mel **out,
                        sib_error *err)
{
    *out = NULL;
    sib_code code = mel_spec_check(spec, err);
    if (code != SIB_OK)
        return code;
    sib_mel *mel = mem_calloc(1, sizeof *mel);
    if (!mel)
        return err_memory(err, sizeof *mel, "mel tables");
    mel_kernel_table kernels;
    mel_kernel_table_init(&kernels, cpu_level_chosen());
    const bool fft400 = mel_is_fft400(spec), precise = options && options->precise;
    mel->spec = *spec;
    mel->kernel = !fft400 ? kernels.general_f64 : precise ? kernels.fft400_f64 : kernels.fft400_f32;
    mel->precise = kernels.fft400_f64;
    mel->average = kernels.average;
    if (spec->framing != SIB_FRAMING_WHOLE)
        mel->lead = (size_t)(spec->n_fft / 2 - (spec->n_fft - spec->win_length) / 2);
    mel->tables = (mel_tables){
        .n_fft = spec->n_fft,
        .win_length = spec->win_length,
        .hop_length = spec->hop_length,
        .n_bins = spec->n_fft / 2 + 1,
        .n_mels = spec->n_mels,
        .remove_dc = spec->remove_dc,
        .magnitude = spec->power == 1,
        .logarithm = spec->log != SIB_LOG_NONE,
        .preemphasis = spec->preemphasis,
        .offset = spec->offset,
        .gain = spec->gain,
    };
    if (!make_numbers(mel)) {
        sib_mel_free(&mel);
        return err_set(err, SIB_ERR_MEMORY, "out of memory: mel tables of %d bands and %d points",
                       (int)spec->n_mels, (int)spec->n_fft);
    }
    if (!fft400 && (code = fft_plan_make(&mel->fft, spec->n_fft, err)) != SIB_OK) {
        sib_mel_free(&mel);
        return code;
    }
    mel->tables.fft = fft400 ? NULL : &mel->fft;
    *out = mel;
    return SIB_OK;
}

void sib_mel_free(sib_mel **mel)
{
    if (!mel || !*mel)
        return;
    fft_plan_free(&(*mel)->fft);
    mem_free((*mel)->dense_weights);
    mem_free((*mel)->segments);
    free_numbers(&(*mel)->doubles);
    free_numbers(&(*mel)->singles);
    mem_free(*mel);
    *mel = NULL;
}

const sib_mel_spec *sib_mel_get_spec(const sib_mel *mel)
{
    return &mel->spec;
}

void sib_mel_weights(const sib_mel *mel, double *weights)
{
    memcpy(weights, mel->dense_weights,
           (size_t)mel->spec.n_mels * (size_t)mel->tables.n_bins * sizeof *weights);
}
