/* A case passes when every output of every data set was compared and none differs. */
#include "model/conform_case.h"

#include "files.h"
#include "messages.h"
#include "model/case_files.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void fail(conform_case *c, const char *where, const char *why)
{
    snprintf(c->reason, sizeof c->reason, "%s%s%s", where, *where ? ": " : "", why);
}

/* ---- Random outputs ---------------------------------------------------------------------------------- */

/* Returns true if the model draws random numbers. Most have no seed; for a Bernoulli with one, the official
   cases drew the expected output from the state of numpy.random after the input was generated, not from that
   seed. */
static bool draws(const sib_model *m)
{
    static const char *const random[] = {"RandomUniform",    "RandomNormal", "RandomUniformLike",
                                         "RandomNormalLike", "Bernoulli",    "Multinomial"};
    sib_node_info node;
    for (size_t i = 0; sib_graph_node(sib_model_graph(m, 0), i, &node); i++)
        for (size_t k = 0; k < sizeof random / sizeof *random; k++)
            if (!strcmp(node.type, random[k]))
                return true;
    return false;
}

/* Two samples of one distribution: their means differ by at most five standard errors, and neither has values
   far out of the other's range. */
static bool same_distribution(const sib_tensor *a, const sib_tensor *b, char *why, size_t size)
{
    sib_stats x, y;
    sib_error err = SIB_ERROR_INIT;
    if (sib_tensor_dtype(a) != sib_tensor_dtype(b) || sib_tensor_count(a) != sib_tensor_count(b) ||
        sib_tensor_rank(a) != sib_tensor_rank(b) ||
        memcmp(sib_tensor_dims(a), sib_tensor_dims(b), sib_tensor_rank(a) * sizeof(int64_t)) != 0) {
        snprintf(why, size, "dtype or dims differ from those expected");
        return false;
    }
    if (sib_tensor_stats(a, &x, NULL, 0, 0, 0, &err) != SIB_OK ||
        sib_tensor_stats(b, &y, NULL, 0, 0, 0, &err) != SIB_OK) {
        snprintf(why, size, "%s", err.message);
        return false;
    }
    double std_error = sqrt((x.std * x.std + y.std * y.std) / (double)x.count), range = y.max - y.min;
    if (x.n_nan || !(fabs(x.mean - y.mean) <= 5 * std_error) || !(x.min >= y.min - range) ||
        !(x.max <= y.max + range)) {
        snprintf(why, size, "random values of mean %g in [%g, %g], expected mean %g in [%g, %g]", x.mean,
                 x.min, x.max, y.mean, y.min, y.max);
        return false;
    }
    return true;
}

/* ---- Half floats ------------------------------------------------------------------------------------- */

/* Rounding steps, at a tensor's largest magnitude, that a chain of operators may accumulate. */
#define HALF_STEPS 16

/* The narrowest float that a value of the model has: SIB_F16, SIB_BF16, or SIB_DTYPE_UNKNOWN where all are
   wider. */
static sib_dtype half_of(const sib_model *m)
{
    sib_value_info v;
    sib_dtype half = SIB_DTYPE_UNKNOWN;
    for (size_t i = 0; sib_graph_value(sib_model_graph(m, 0), i, &v); i++)
        if (v.dtype == SIB_BF16 || (v.dtype == SIB_F16 && !half))
            half = v.dtype;
    return half;
}

/* Some references run a model of half floats in float32 from end to end. That is so where the expected output
   agrees with the run in double; ours, rounded at each operator as the model declares, must then be within
   HALF_STEPS steps of half floats at the tensor's scale: elements near 0 are differences of larger numbers,
   whose rounding they keep. The output itself may be float32. exact: output i of the run in double. */
static bool reference_was_wider(conform_case *c, const sib_model *m, const sib_value *got,
                                const sib_value *expected, const sib_value *exact,
                                const sib_tolerance *tolerance)
{
    const sib_tensor *e = sib_value_tensor(expected), *x = sib_value_tensor(exact),
                     *g = sib_value_tensor(got);
    const sib_dtype half = half_of(m), dtype = e ? sib_tensor_dtype(e) : SIB_DTYPE_UNKNOWN;
    sib_tensor *rounded = NULL;
    sib_comparison r;
    sib_stats s;
    if (!x || !g || !half || (dtype != SIB_F16 && dtype != SIB_BF16 && dtype != SIB_F32) ||
        sib_tensor_convert(x, dtype, SIB_OVERFLOW_IEEE, &rounded, NULL) != SIB_OK)
        return false;
    bool ok = sib_tensor_stats(rounded, &s, NULL, 0, 0, 0, NULL) == SIB_OK;
    const double scale = fmax(fabs(s.min), fabs(s.max)), step = half == SIB_BF16 ? 0x1p-8 : 0x1p-11;
    const sib_tolerance wide = {.rtol = tolerance->rtol,
                                .atol = fmax(tolerance->atol, HALF_STEPS * 0x1p-24 * scale)},
                        narrow = {.atol = HALF_STEPS * step * scale};
    ok = ok && isfinite(scale) && sib_tensor_compare(rounded, e, &wide, &r, NULL) == SIB_OK && r.equal &&
         sib_tensor_compare(g, rounded, &narrow, &r, NULL) == SIB_OK && r.equal;
    sib_tensor_free(&rounded);
    c->by_double |= ok;
    return ok;
}

/* Returns output i of a run in double, or NULL. */
static sib_value *run_in_double(const sib_session *session, const conform_settings *s, size_t n,
                                const sib_named_value *given, size_t i)
{
    sib_model *m = (sib_model *)sib_session_model(session); /* shared by both sessions */
    sib_session_options options = {.backends = s->backend, .threads = 1, .oracle = true};
    sib_session *wide = NULL;
    sib_value_info info;
    sib_value *out = NULL;
    if (sib_model_output(m, i, &info) && sib_session_create(m, &options, &wide, NULL) == SIB_OK &&
        sib_session_run(wide, n, given, 1, &info.name, &out, NULL, NULL) != SIB_OK)
        out = NULL;
    sib_session_free(&wide);
    return out;
}

/* ---- Comparing -------------------------------------------------------------------------------------- */

static void find_exception(conform_case *c, const conform_settings *s)
{
    for (size_t i = 0; i < s->n_exceptions; i++)
        if (!strcmp(s->exceptions[i].name, c->name))
            c->exception = &s->exceptions[i];
}

/* Compares output i; if it leaves tolerance, stores why in c. */
static bool compare(conform_case *c, const sib_model *m, size_t i, const sib_value *got,
                    const sib_value *expected, const sib_tolerance *tolerance)
{
    sib_value_info info = {0};
    sib_comparison r;
    sib_error err = SIB_ERROR_INIT;
    char why[400];
    sib_model_output(m, i, &info);
    if (sib_value_compare(got, expected, tolerance, &r, &err) != SIB_OK) {
        fail(c, info.name, err.message);
        return false;
    }
    if (r.equal)
        return true;
    if (draws(m) && sib_value_tensor(got) && sib_value_tensor(expected)) {
        c->by_distribution = true;
        if (same_distribution(sib_value_tensor(got), sib_value_tensor(expected), why, sizeof why))
            return true;
    } else
        snprintf(why, sizeof why,
                 "%llu of %llu elements differ; the first, element %llu, is %.9g, expected %.9g; the worst, "
                 "element %llu, is %.9g, expected %.9g",
                 (unsigned long long)r.n_different, (unsigned long long)r.count, (unsigned long long)r.first,
                 r.first_a, r.first_b, (unsigned long long)r.worst, r.worst_a, r.worst_b);
    fail(c, info.name, why);
    return false;
}

static bool run_set(conform_case *c, sib_session *session, const char *folder, const conform_settings *s)
{
    const sib_model *m = sib_session_model(session);
    case_values in = {0}, expected = {0}, got = {0};
    case_reading reading = {0};
    bool ok = case_load_inputs(m, folder, &in, &reading) && case_load_outputs(m, folder, &expected, &reading);
    sib_named_value *given = cli_alloc(in.n + 1, sizeof *given);
    size_t n = case_named_inputs(m, &in, given);
    c->recast |= reading.recast;
    if (!ok)
        fail(c, "", reading.why);
    else {
        sib_error err = SIB_ERROR_INIT;
        got.n = expected.n;
        got.items = cli_alloc(got.n + 1, sizeof *got.items);
        sib_run_options run = {.profile = s->profile};
        ok = sib_session_run(session, n, given, 0, NULL, got.items, &run, &err) == SIB_OK;
        if (!ok)
            fail(c, "", err.message);
    }
    size_t compared = 0;
    for (size_t i = 0; ok && i < expected.n; i++)
        if (expected.items[i]) {
            const sib_tolerance *tolerance = c->exception ? &c->exception->tolerance : &s->tolerance;
            ok = compare(c, m, i, got.items[i], expected.items[i], tolerance);
            if (!ok) {
                sib_value *exact = run_in_double(session, s, n, given, i);
                ok = exact && reference_was_wider(c, m, got.items[i], expected.items[i], exact, tolerance);
                sib_value_free(&exact);
            }
            compared++;
            c->outputs++;
        }
    if (ok && !compared) {
        fail(c, "", "no expected output was found");
        ok = false;
    }
    free(given);
    case_values_free(&in);
    case_values_free(&expected);
    case_values_free(&got);
    return ok;
}

void conform_case_run(conform_case *c, const conform_settings *settings)
{
    sib_model *model = NULL;
    sib_session *session = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_session_options options = {.backends = settings->backend, .threads = 1};
    passes_apply(&settings->passes, &options);
    sib_timer timer = sib_timer_start();
    char *path = cli_format("%s/model.onnx", c->path);
    find_exception(c, settings);
    sib_open_options open = {.registry = settings->registry,
                             .any_input_dims = c->exception && c->exception->any_input_dims};
    bool ok = sib_model_open(path, &open, &model, &err) == SIB_OK &&
              sib_session_create(model, &options, &session, &err) == SIB_OK;
    size_t sets = 0;
    if (!ok)
        fail(c, "", err.message);
    while (ok) {
        char *folder = cli_format("%s/test_data_set_%zu", c->path, sets);
        bool there = file_is_folder(folder);
        if (there) {
            ok = run_set(c, session, folder, settings);
            sets++;
        }
        free(folder);
        if (!there)
            break;
    }
    if (ok && !sets) {
        c->verdict = CASE_SKIPPED;
        fail(c, "", "there is no test_data_set_0");
    } else
        c->verdict = ok ? CASE_PASSED : CASE_FAILED;
    c->seconds = sib_timer_seconds(&timer);
    sib_session_free(&session);
    sib_model_free(&model);
    free(path);
}
