/* Angles of rotary positions for texts longer than those that a model was trained on first: Llama 3's, linear, dynamic
   (NTK), YaRN (Peng et al. 2023) and LongRoPE (Ding et al. 2024), in float32 as PyTorch computes them. */
#include "import/model/build.h"

#include <math.h>
#include <stdio.h>

typedef struct scaling {
    build *b;
    const char *at;
    size_t half;
    int64_t n_ctx, trained; /* trained: positions before the scaling */
    build_angles *out;
} scaling;

/* ---- What the checkpoint says -------------------------------------------------------------------------- */

/* A number that config.json has under `key`, and GGUF under `theirs`. */
static double number(const scaling *s, const char *key, const char *theirs, double otherwise)
{
    const double x = checkpoint_float(s->b->c, build_text(s->b, "%s.%s", s->at, theirs), otherwise);
    return checkpoint_float(s->b->c, build_text(s->b, "%s.%s", s->at, key), x);
}

static float *floats(build *b, size_t half)
{
    float *out = b->code == SIB_OK ? arena_alloc(b->m->arena, half + 1, sizeof *out) : NULL;
    if (b->code == SIB_OK && !out)
        build_fail(b, SIB_ERR_MEMORY, "no memory for rotary positions");
    return out;
}

/* Sets `inverse` to a's angles divided by factors (half): a list of config.json, or a weight of GGUF. Returns false where
   neither is there. */
static bool divide(build *b, const build_angles *a, const char *list, const char *weights, float *inverse,
                   size_t half)
{
    const fact *f = list ? checkpoint_fact(b->c, list) : NULL;
    const weight *w = checkpoint_find(b->c, weights);
    float *factors = f || w ? floats(b, half) : NULL;
    uint64_t n;
    if (!factors)
        return false;
    const bool numbers = f && f->list && f->n == half && (f->kind == FACT_FLOAT || f->kind == FACT_INT);
    if (f ? !numbers : !weight_count(w, &n) || n != half)
        build_fail(b, SIB_ERR_FORMAT, "%s: %s: expected %zu numbers", checkpoint_file(b->c, 0),
                   f ? list : weights, half);
    else if (!f && weight_read(w, 0, half, SIB_F32, factors, b->err) != SIB_OK)
        b->code = SIB_ERR_FORMAT;
    for (size_t i = 0; i < half && numbers; i++)
        factors[i] = f->kind == FACT_INT ? (float)f->ints[i] : (float)f->floats[i];
    for (size_t i = 0; i < half && b->code == SIB_OK; i++)
        inverse[i] = 1 / (factors[i] * powf((float)a->theta, a->exponents[i]));
    return true;
}

/* ---- Kinds --------------------------------------------------------------------------------------------- */

static void scale_none(scaling *s)
{
    (void)s;
}

static void scale_linear(scaling *s)
{
    const double factor = number(s, "factor", "factor", 1);
    for (size_t i = 0; i < s->half; i++)
        s->out->inverse[i] = (float)(s->out->inverse[i] / factor);
}

/* Low frequencies are divided by `factor`, high ones kept, those between interpolated. */
static void scale_llama3(scaling *s)
{
    const double factor = number(s, "factor", "factor", 8), low = number(s, "low_freq_factor", "", 1),
                 high = number(s, "high_freq_factor", "", 4), old = (double)s->trained;
    float *inverse = s->out->inverse;
    for (size_t i = 0; i < s->half; i++) {
        const double wave = 2 * M_PI / inverse[i], part = (old / wave - low) / (high - low);
        if (wave > old / low)
            inverse[i] = (float)(inverse[i] / factor);
        else if (wave >= old / high)
            inverse[i] = (float)((1 - part) * inverse[i] / factor + part * inverse[i]);
    }
}

/* Theta grows with the text. */
static void scale_dynamic(scaling *s)
{
    s->out->growth = number(s, "factor", "factor", 1);
    s->out->length = s->n_ctx;
    if (s->half < 2 || !(s->out->growth > 0 && isfinite(s->out->growth)))
        build_fail(s->b, SIB_ERR_FORMAT, "%s: %s.factor is none that a model can have",
                   checkpoint_file(s->b->c, 0), s->at);
}

static double mscale(double factor, double by)
{
    return factor <= 1 ? 1 : 0.1 * by * log(factor) + 1;
}

/* The pair that rotates `times` over the positions trained on. */
static double pair_of(const scaling *s, double times)
{
    return (double)s->half * log((double)s->trained / (times * 2 * M_PI)) / log(s->out->theta);
}

/* Between the pairs that rotate beta_fast and beta_slow times, from no scaling to angles divided by `factor`. */
static void scale_yarn(scaling *s)
{
    const double ratio = (double)s->n_ctx / (double)s->trained, factor = number(s, "factor", "factor", ratio),
                 all = number(s, "mscale_all_dim", "", 0), one = number(s, "mscale", "", 0),
                 usual = one != 0 && all != 0 ? mscale(factor, one) / mscale(factor, all) : mscale(factor, 1);
    const double fast = number(s, "beta_fast", "yarn_beta_fast", 32),
                 slow = number(s, "beta_slow", "yarn_beta_slow", 1);
    double first = pair_of(s, fast != 0 ? fast : 32), last = pair_of(s, slow != 0 ? slow : 1);
    if (build_fact_bool(s->b, build_text(s->b, "%s.truncate", s->at), true)) {
        first = floor(first);
        last = ceil(last);
    }
    first = fmax(first, 0);
    last = fmin(last, 2 * (double)s->half - 1);
    last += first == last ? 0.001 : 0;
    s->out->scale = number(s, "attention_factor", "", usual);
    for (size_t i = 0; i < s->half; i++) {
        const float raw = ((float)i - (float)first) / (float)(last - first),
                    scaled = 1 - (1 - fminf(fmaxf(raw, 0), 1)),
                    power = powf((float)s->out->theta, s->out->exponents[i]);
        s->out->inverse[i] = 1 / ((float)factor * power) * scaled + 1 / power * (1 - scaled);
    }
}

/* Factors for each pair, those of texts as long as trained on and those of longer ones. */
static void scale_longrope(scaling *s)
{
    build *b = s->b;
    build_angles *a = s->out;
    const double ratio = (double)s->n_ctx / (double)s->trained, factor = number(s, "factor", "factor", ratio),
                 usual = factor <= 1 ? 1 : sqrt(1 + log(factor) / log((double)s->trained));
    a->scale = number(s, "attention_factor", "attn_factor", usual);
    a->length = s->trained;
    a->longer = floats(b, s->half);
    if (a->longer && (!divide(b, a, build_text(b, "%s.short_factor", s->at), "rope_factors_short.weight",
                              a->inverse, s->half) ||
                      !divide(b, a, build_text(b, "%s.long_factor", s->at), "rope_factors_long.weight",
                              a->longer, s->half)))
        build_fail(b, SIB_ERR_FORMAT, "%s: %s: expected short_factor and long_factor",
                   checkpoint_file(b->c, 0), s->at);
}

static const struct {
    const char *name;
    void (*scale)(scaling *s);
} kinds[] = {{"default", scale_none},      {"none", scale_none},       {"linear", scale_linear},
             {"llama3", scale_llama3},     {"dynamic", scale_dynamic}, {"yarn", scale_yarn},
             {"longrope", scale_longrope}, {"su", scale_longrope}};
#define N_KINDS (sizeof kinds / sizeof *kinds)

/* ---- Angles -------------------------------------------------------------------------------------------- */

static void apply(scaling *s)
{
    build *b = s->b;
    const bool by_weights = checkpoint_find(b->c, "rope_factors_long.weight") != NULL;
    sib_str kind = build_fact_text(b, build_text(b, "%s.type", s->at), by_weights ? "longrope" : "default");
    if (checkpoint_fact(b->c, build_text(b, "%s.rope_type", s->at)))
        kind = build_fact_text(b, build_text(b, "%s.rope_type", s->at), "");
    if (str_is(kind, "yarn") && checkpoint_fact(b->c, build_text(b, "%s.short_factor", s->at)))
        kind = str_of("longrope"); /* as the first files of Phi-3 call it */
    char names[100];
    size_t used = 0, k = N_KINDS;
    for (size_t i = 0; i < N_KINDS; i++) {
        k = str_is(kind, kinds[i].name) ? i : k;
        if (used < sizeof names)
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", kinds[i].name);
    }
    if (k == N_KINDS)
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: %s of type '%.*s' is not supported by the recipe; known are %s",
                   checkpoint_file(b->c, 0), s->at, (int)kind.length, kind.data, names);
    else if (s->trained < 1)
        build_fail(b, SIB_ERR_FORMAT, "%s: %s: original_max_position_embeddings is %lld, expected at least 1",
                   checkpoint_file(b->c, 0), s->at, (long long)s->trained);
    else
        kinds[k].scale(s);
}

static void check_angles(build *b, const build_angles *a, size_t half)
{
    bool fine = isfinite(a->scale) && a->scale > 0;
    for (size_t i = 0; i < half; i++)
        fine = fine && isfinite(a->inverse[i]) && a->inverse[i] >= 0 &&
               (!a->longer || (isfinite(a->longer[i]) && a->longer[i] >= 0));
    if (!fine)
        build_fail(b, SIB_ERR_FORMAT, "%s: rope_theta and the scaling that it gives make no angles",
                   checkpoint_file(b->c, 0));
}

build_angles build_rope(build *b, const char *at, double theta, size_t half, int64_t n_ctx)
{
    build_angles a = {.inverse = floats(b, half), .exponents = floats(b, half), .theta = theta, .scale = 1};
    scaling s = {b, at, half, n_ctx, n_ctx, &a};
    if (!a.inverse || !a.exponents)
        return (build_angles){0};
    for (size_t i = 0; i < half; i++) {
        a.exponents[i] = (float)(2 * i) / (float)(2 * half);
        a.inverse[i] = 1 / powf((float)theta, a.exponents[i]);
    }
    if (at) {
        const char *key = "original_max_position_embeddings";
        s.trained = checkpoint_int(b->c, build_text(b, "%s.original_context_length", at), n_ctx);
        s.trained = checkpoint_int(b->c, build_text(b, "%s.%s", at, key), s.trained);
        s.trained = checkpoint_int(b->c, key, s.trained);
        apply(&s);
    }
    divide(b, &a, NULL, "rope_freqs.weight", a.inverse, half);
    if (b->code == SIB_OK)
        check_angles(b, &a, half);
    return a;
}
