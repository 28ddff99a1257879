/* A case passes when every output of every data set was compared and none differs. */
#include <sibyl/conform.h>
#include <sibyl/sibyl.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/path.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void fail(sib_conform_result *c, const char *where, const char *why)
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
static bool reference_was_wider(sib_conform_result *c, const sib_model *m, const sib_value *got,
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
static sib_value *run_in_double(const sib_session *session, const sib_conform_options *s, size_t n,
                                const sib_named_value *given, size_t i)
{
    sib_model *m = (sib_model *)sib_session_model(session); /* shared by both sessions */
    sib_session_options options = {
        .backends = s->session ? s->session->backends : NULL, .threads = 1, .oracle = true};
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

/* Compares output i; if it leaves tolerance, stores why in c. */
static bool compare(sib_conform_result *c, const sib_model *m, size_t i, const sib_value *got,
                    const sib_value *expected, const sib_tolerance *tolerance)
{
    sib_value_info info = {0};
    sib_comparison r;
    sib_error err = SIB_ERROR_INIT;
    char why[SIB_MESSAGE_SIZE];
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

/* Values of a data set: inputs and outputs of the model, as expected and as a run gave them. */
typedef struct data_set {
    size_t n_inputs, n_outputs, n_given;
    sib_value **in, **expected, **got; /* parts of `values` */
    sib_named_value *given;            /* (n_given) inputs that exist */
    sib_value **values;
} data_set;

static bool data_set_make(const sib_model *m, data_set *d)
{
    sib_model_info info;
    sib_model_get_info(m, &info);
    *d = (data_set){.n_inputs = info.n_inputs, .n_outputs = info.n_outputs};
    d->values = mem_calloc(info.n_inputs + 2 * info.n_outputs + 1, sizeof *d->values);
    d->given = mem_calloc(info.n_inputs + 1, sizeof *d->given);
    if (!d->values || !d->given)
        return false;
    d->in = d->values;
    d->expected = d->in + d->n_inputs;
    d->got = d->expected + d->n_outputs;
    return true;
}

static void data_set_free(data_set *d)
{
    for (size_t i = 0; d->values && i < d->n_inputs + 2 * d->n_outputs; i++)
        sib_value_free(&d->values[i]);
    mem_free(d->values);
    mem_free(d->given);
}

static sib_code data_set_read(const sib_model *m, const char *folder, data_set *d, bool *recast,
                              sib_error *err)
{
    bool inputs = false, outputs = false;
    sib_value_info info;
    sib_code code = sib_case_values(m, folder, SIB_CASE_INPUTS, d->in, &inputs, err);
    if (code == SIB_OK)
        code = sib_case_values(m, folder, SIB_CASE_OUTPUTS, d->expected, &outputs, err);
    for (size_t i = 0; code == SIB_OK && sib_model_input(m, i, &info); i++)
        if (d->in[i])
            d->given[d->n_given++] = (sib_named_value){info.name, d->in[i]};
    *recast |= inputs || outputs;
    return code;
}

/* Compares output i with what is expected, and where it differs with a run in double. */
static bool judge_output(sib_conform_result *c, sib_session *session, const data_set *d, size_t i,
                         const sib_conform_options *s)
{
    const sib_model *m = sib_session_model(session);
    c->outputs++;
    if (compare(c, m, i, d->got[i], d->expected[i], &s->tolerance))
        return true;
    sib_value *exact = run_in_double(session, s, d->n_given, d->given, i);
    const bool ok = exact && reference_was_wider(c, m, d->got[i], d->expected[i], exact, &s->tolerance);
    sib_value_free(&exact);
    return ok;
}

static bool run_set(sib_conform_result *c, sib_session *session, const char *folder,
                    const sib_conform_options *s)
{
    const sib_run_options run = {.profile = s->profile};
    const size_t before = c->outputs;
    data_set d;
    sib_error err = SIB_ERROR_INIT;
    bool ok = data_set_make(sib_session_model(session), &d);
    if (!ok)
        err_memory(&err, 0, "the values of a data set");
    ok = ok && data_set_read(sib_session_model(session), folder, &d, &c->recast, &err) == SIB_OK &&
         sib_session_run(session, d.n_given, d.given, 0, NULL, d.got, &run, &err) == SIB_OK;
    if (!ok)
        fail(c, "", err.message);
    for (size_t i = 0; ok && i < d.n_outputs; i++)
        ok = !d.expected[i] || judge_output(c, session, &d, i, s);
    if (ok && c->outputs == before) {
        fail(c, "", "no expected output was found");
        ok = false;
    }
    data_set_free(&d);
    return ok;
}

/* Runs the data sets in order while they pass; *sets: how many there are up to the first that fails. */
static bool run_sets(sib_conform_result *c, sib_session *session, const char *folder,
                     const sib_conform_options *s, size_t *sets)
{
    for (bool ok = true;; *sets += 1) {
        char name[48];
        snprintf(name, sizeof name, "test_data_set_%zu/.", *sets);
        char *path = path_join(folder, name);
        const bool there = path && access(path, F_OK) == 0;
        if (!path)
            fail(c, "", "no memory for a path");
        if (there)
            ok = run_set(c, session, path, s);
        mem_free(path);
        if (!there || !ok)
            return path && ok;
    }
}

sib_code sib_conform_case(const char *folder, const sib_conform_options *options, sib_conform_result *out,
                          sib_error *err)
{
    const sib_conform_options s = options ? *options : (sib_conform_options){0};
    sib_model *model = NULL;
    sib_session *session = NULL;
    sib_error why = SIB_ERROR_INIT;
    const sib_timer timer = sib_timer_start();
    size_t sets = 0;
    *out = (sib_conform_result){0};
    char *path = path_join(folder, "model.onnx");
    if (!path)
        return err_memory(err, 0, "a path");
    bool ok = sib_model_open(path, s.open, &model, &why) == SIB_OK &&
              sib_session_create(model, s.session, &session, &why) == SIB_OK;
    if (!ok)
        fail(out, "", why.message);
    ok = ok && run_sets(out, session, folder, &s, &sets);
    out->verdict = !ok ? SIB_CONFORM_FAILED : sets ? SIB_CONFORM_PASSED : SIB_CONFORM_SKIPPED;
    if (out->verdict == SIB_CONFORM_PASSED)
        out->reason[0] = '\0'; /* of an output that is right by another rule */
    else if (ok)
        fail(out, "", "there is no test_data_set_0");
    out->seconds = sib_timer_seconds(&timer);
    sib_session_free(&session);
    sib_model_free(&model);
    mem_free(path);
    return SIB_OK;
}
