#include "bench/bench_error.h"

#include <math.h>

/* Returns the larger one, or NaN if either is, so that NaN never counts as a small error. */
static double larger(double a, double b)
{
    return isnan(a) || a >= b ? a : b;
}

static void add_elements(result_error *e, const double *got, const double *exact, uint64_t n)
{
    double sum = 0, exact_sum = 0, max_abs = 0, worst = 0;
    for (uint64_t i = 0; i < n; i++)
        exact_sum += isfinite(exact[i]) ? exact[i] * exact[i] : 0;
    double rms = sqrt(exact_sum / (double)n);
    for (uint64_t i = 0; i < n; i++) {
        /* equal infinities, or two NaN: no difference */
        bool same = got[i] == exact[i] || (isnan(got[i]) && isnan(exact[i]));
        double d = same ? 0 : fabs(got[i] - exact[i]);
        sum += d * d;
        max_abs = larger(max_abs, d);
        if (d != 0)
            worst = larger(worst, d / fmax(fabs(exact[i]), rms));
    }
    e->known = true;
    e->max_abs = larger(e->max_abs, max_abs);
    e->rms = larger(e->rms, sum == 0 ? 0 : sqrt(sum / exact_sum));
    e->worst = larger(e->worst, worst);
}

bool error_add(result_error *e, const sib_tensor *got, const sib_tensor *exact, char *why, size_t bytes)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *a = NULL, *b = NULL;
    uint64_t n = sib_tensor_count(got);
    if (n != sib_tensor_count(exact)) {
        snprintf(why, bytes, "ref in double makes %llu elements, not %llu",
                 (unsigned long long)sib_tensor_count(exact), (unsigned long long)n);
        return false;
    }
    bool ok = sib_tensor_convert(got, SIB_F64, SIB_OVERFLOW_IEEE, &a, &err) == SIB_OK &&
              sib_tensor_convert(exact, SIB_F64, SIB_OVERFLOW_IEEE, &b, &err) == SIB_OK;
    if (ok && n)
        add_elements(e, sib_tensor_data(a), sib_tensor_data(b), n);
    else if (!ok)
        snprintf(why, bytes, "%s", err.message);
    sib_tensor_free(&a);
    sib_tensor_free(&b);
    return ok;
}

bool error_add_values(result_error *e, size_t n, sib_value *const *got, sib_value *const *exact, char *why,
                      size_t bytes)
{
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        const sib_tensor *a = got[i] ? sib_value_tensor(got[i]) : NULL,
                         *b = exact[i] ? sib_value_tensor(exact[i]) : NULL;
        if (a && b && sib_dtype_get_kind(sib_tensor_dtype(a)) == SIB_KIND_FLOAT)
            ok = error_add(e, a, b, why, bytes);
    }
    return ok;
}

bool error_exact(const char *path, unsigned threads, size_t n, const sib_named_value *inputs, sib_value **out,
                 char *why, size_t bytes)
{
    const engine_settings es = {
        .backend = "ref", .passes = PASS_DEFAULTS, .threads = threads, .oracle = true};
    engine *e = engine_open(ENGINE_SIBYL, &es, path, why, bytes);
    bool ok = e && engine_bind(e, n, inputs, why, bytes) && engine_outputs(e, out, why, bytes);
    engine_close(e);
    return ok;
}

json_t *error_to_json(const result_error *e)
{
    return json_pack("{s:o, s:o, s:o}", "max_abs", cli_json_number(e->max_abs), "rms",
                     cli_json_number(e->rms), "worst", cli_json_number(e->worst));
}

void error_text(const result_error *e, char *text, size_t bytes)
{
    snprintf(text, bytes, "max abs %.2g, RMS %.2g, worst %.2g", e->max_abs, e->rms, e->worst);
}
