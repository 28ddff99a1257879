/* Infers, runs and compares a case. */
#include "case.h"

#include "base/error.h"

#include <inttypes.h>
#include <math.h>
#include <sibyl/session.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUTS_MAX 128

/* Formats the reason of a failure, truncated to size. */
static void __attribute__((format(printf, 3, 4))) says(char *words, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(words, size, format, args);
    va_end(args);
}

/* ---- Comparing ---------------------------------------------------------------------------------------- */

/* Relative tolerance of a dtype for cases without their own, and an absolute one far below it. */
static sib_tolerance default_tolerance(sib_dtype dtype)
{
    switch (dtype) {
    case SIB_F32:
    case SIB_F64:
    case SIB_C64:
    case SIB_C128:
        return (sib_tolerance){1e-9, 1e-6, 0};
    case SIB_F16:
        return (sib_tolerance){1e-6, 1e-3, 0};
    case SIB_BF16:
        return (sib_tolerance){1e-6, 1e-2, 0};
    default:
        return (sib_tolerance){0, 0, 0};
    }
}

/* Largest finite magnitude of a tensor's elements, at least `least`. */
static double magnitude(const sib_tensor *t, double least)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *wide = NULL;
    sib_dtype_kind kind = sib_dtype_get_kind(sib_tensor_dtype(t));
    if (kind == SIB_KIND_STRING || kind == SIB_KIND_COMPLEX ||
        sib_tensor_convert(t, SIB_F64, SIB_OVERFLOW_IEEE, &wide, &err) != SIB_OK)
        return least;
    const double *x = sib_tensor_data(wide);
    for (uint64_t i = 0; i < sib_tensor_count(wide); i++)
        if (isfinite(x[i]) && fabs(x[i]) > least)
            least = fabs(x[i]);
    sib_tensor_free(&wide);
    return least;
}

/* How far a backend other than ref may differ: it adds in another order and in the precision of the dtype, so
   errors are relative to the largest inputs and outputs. */
static sib_tolerance fast_tolerance(sib_dtype dtype, double scale)
{
    double unit = dtype == SIB_F16    ? ldexp(1, -10)
                  : dtype == SIB_BF16 ? ldexp(1, -7)
                  : dtype == SIB_F32  ? ldexp(1, -23)
                  : dtype == SIB_F64  ? ldexp(1, -50)
                                      : 0;
    sib_tolerance exact = default_tolerance(dtype);
    return (sib_tolerance){fmax(exact.atol, 16 * unit * scale), fmax(exact.rtol, 16 * unit), 0};
}

static void dims_text(const sib_tensor *t, char *text, size_t size)
{
    int n = snprintf(text, size, "%s[", case_dtype_name(sib_tensor_dtype(t)));
    for (size_t i = 0; i < sib_tensor_rank(t) && n >= 0 && (size_t)n < size; i++)
        n += snprintf(text + n, size - (size_t)n, "%s%" PRId64, i ? "," : "", sib_tensor_dims(t)[i]);
    if (n >= 0 && (size_t)n < size)
        snprintf(text + n, size - (size_t)n, "]");
}

/* Element `at` (row-major) as text. */
static void element_text(const sib_tensor *t, uint64_t at, char *text, size_t size)
{
    sib_error err = SIB_ERROR_INIT;
    int64_t index[SIB_MAX_RANK];
    sib_tensor *strings = NULL;
    sib_str s = {"?", 1};
    for (size_t k = sib_tensor_rank(t); k-- > 0; at /= (uint64_t)sib_tensor_dims(t)[k])
        index[k] = (int64_t)(at % (uint64_t)sib_tensor_dims(t)[k]);
    if (sib_tensor_convert(t, SIB_STRING, SIB_OVERFLOW_IEEE, &strings, &err) == SIB_OK)
        sib_tensor_get_string(strings, index, &s, &err);
    snprintf(text, size, sib_tensor_dtype(t) == SIB_STRING ? "\"%.*s\"" : "%.*s", (int)s.length, s.data);
    sib_tensor_free(&strings);
}

static bool same_dims(const sib_tensor *a, const sib_tensor *b)
{
    size_t rank = sib_tensor_rank(a);
    return sib_tensor_dtype(a) == sib_tensor_dtype(b) && rank == sib_tensor_rank(b) &&
           (!rank || !memcmp(sib_tensor_dims(a), sib_tensor_dims(b), rank * sizeof(int64_t)));
}

/* How values are compared. */
typedef struct closeness {
    bool any;         /* dtype and dims only */
    double tolerance; /* of the case; negative: the default of the dtype */
    double scale;     /* of the inputs, for backends other than ref; 0 for ref */
} closeness;

/* want: the value in the case. */
static bool compare_tensors(const sib_tensor *got, const sib_tensor *want, const closeness *how, char *words,
                            size_t size)
{
    char a[200], b[200];
    sib_error err = SIB_ERROR_INIT;
    sib_comparison found;
    if (!same_dims(got, want)) {
        dims_text(got, a, sizeof a);
        dims_text(want, b, sizeof b);
        says(words, size, "is %s, %s expected", a, b);
        return false;
    }
    if (how->any)
        return true;
    sib_dtype dtype = sib_tensor_dtype(want);
    sib_tolerance allowed =
        how->scale > 0 ? fast_tolerance(dtype, magnitude(want, how->scale)) : default_tolerance(dtype);
    if (how->tolerance >= 0)
        allowed = (sib_tolerance){fmax(how->tolerance, how->scale > 0 ? allowed.atol : 0),
                                  fmax(how->tolerance, how->scale > 0 ? allowed.rtol : 0), 0};
    if (sib_tensor_compare(got, want, &allowed, &found, &err) != SIB_OK) {
        says(words, size, "cannot be compared: %s", err.message);
        return false;
    }
    if (found.equal)
        return true;
    element_text(got, found.first, a, sizeof a);
    element_text(want, found.first, b, sizeof b);
    says(words, size, "element %" PRIu64 " is %s, %s expected (%" PRIu64 " of %" PRIu64 " differ)",
         found.first, a, b, found.n_different, found.count);
    return false;
}

static const char *kind_name(sib_value_kind kind)
{
    static const char *const names[] = {"nothing", "a tensor", "a sequence", "an optional", "a map"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

/* Compares nested values, as deep as the syntax allows. */
static bool compare_values(const sib_value *got, const sib_value *want, const closeness *how, char *words,
                           size_t size)
{
    sib_value_kind kind = sib_value_get_kind(want);
    if (sib_value_get_kind(got) != kind) {
        says(words, size, "is %s, %s expected", kind_name(sib_value_get_kind(got)), kind_name(kind));
        return false;
    }
    if (kind == SIB_VALUE_TENSOR)
        return compare_tensors(sib_value_tensor(got), sib_value_tensor(want), how, words, size);
    if (kind == SIB_VALUE_MAP)
        return compare_tensors(sib_value_keys(got), sib_value_keys(want), how, words, size) &&
               compare_tensors(sib_value_values(got), sib_value_values(want), how, words, size);
    if (sib_value_count(got) != sib_value_count(want)) {
        says(words, size, "holds %zu values, %zu expected", sib_value_count(got), sib_value_count(want));
        return false;
    }
    for (size_t i = 0; i < sib_value_count(want); i++) {
        char inner[300];
        if (!compare_values(sib_value_item(got, i), sib_value_item(want, i), how, inner, sizeof inner)) {
            says(words, size, "item %zu %s", i, inner);
            return false;
        }
    }
    return true;
}

/* ---- Inferred types ----------------------------------------------------------------------------------- */

/* Binds the symbols of the inputs to the sizes in the case. */
static bool bind_inputs(const op_case *c, onnx_model *m, dim_binding *b, sib_error *err)
{
    for (uint32_t i = 0; i < m->graph->inputs.n; i++) {
        const value *v = &m->graph->values[m->graph->inputs.ids[i]];
        const sib_tensor *t = sib_value_tensor(c->in[strtoul(v->name.data + 1, NULL, 10)].value);
        sib_str name;
        for (size_t k = 0; t && k < sib_tensor_rank(t); k++)
            if (dim_is_symbol(m->dims, v->type.shape.dims[k], &name) &&
                dim_bind(m->dims, b, v->type.shape.dims[k], sib_tensor_dims(t)[k], err) != SIB_OK)
                return false;
    }
    return true;
}

/* Returns false if d is known under b and is not `is`. */
static bool agrees(const onnx_model *m, const dim_binding *b, dim d, int64_t is, char *text, size_t size)
{
    sib_error err = SIB_ERROR_INIT;
    int64_t n;
    char words[120];
    if (!d.id || dim_eval(m->dims, d, b, &n, &err) != SIB_OK || n == is)
        return true;
    says(text, size, "%s, which is %" PRId64 ", not %" PRId64, dim_text(m->dims, d, words, sizeof words), n,
         is);
    return false;
}

static bool inferred_elements(const onnx_model *m, const dim_binding *b, const value *v, const sib_tensor *t,
                              char *words, size_t size)
{
    char text[200];
    if (!v->elements || sib_tensor_dtype(t) != SIB_I64 || !sib_tensor_is_dense(t))
        return true;
    if (v->n_elements != sib_tensor_count(t)) {
        says(words, size, "is inferred to have %u elements, it has %" PRIu64, v->n_elements,
             sib_tensor_count(t));
        return false;
    }
    const int64_t *is = sib_tensor_data(t);
    for (uint32_t i = 0; i < v->n_elements; i++)
        if (!agrees(m, b, v->elements[i], is[i], text, sizeof text)) {
            says(words, size, "element %u is inferred as %s", i, text);
            return false;
        }
    return true;
}

static bool inferred_tensor(const onnx_model *m, const dim_binding *b, const value *v, const sib_tensor *t,
                            char *words, size_t size)
{
    char type[200], is[200], text[200];
    const value_type *y = &v->type;
    type_text(m->dims, y, type, sizeof type);
    dims_text(t, is, sizeof is);
    if (y->depth || y->dtype != sib_tensor_dtype(t) ||
        (y->shape.ranked && y->shape.rank != sib_tensor_rank(t))) {
        says(words, size, "is inferred as %s, it is %s", type, is);
        return false;
    }
    for (size_t k = 0; y->shape.ranked && k < y->shape.rank; k++)
        if (!agrees(m, b, y->shape.dims[k], sib_tensor_dims(t)[k], text, sizeof text)) {
            says(words, size, "is inferred as %s, it is %s: dim %zu is %s", type, is, k, text);
            return false;
        }
    return inferred_elements(m, b, v, t, words, size);
}

static bool inferred_value(const onnx_model *m, const dim_binding *b, const value *v, const sib_value *got,
                           char *words, size_t size)
{
    static const type_kind kinds[] = {[SIB_VALUE_SEQUENCE] = TYPE_SEQUENCE,
                                      [SIB_VALUE_OPTIONAL] = TYPE_OPTIONAL,
                                      [SIB_VALUE_MAP] = TYPE_MAP};
    char type[200];
    sib_value_kind kind = sib_value_get_kind(got);
    if (kind == SIB_VALUE_TENSOR)
        return inferred_tensor(m, b, v, sib_value_tensor(got), words, size);
    if (type_outer(&v->type) == kinds[kind])
        return true;
    says(words, size, "is inferred as %s, it is %s", type_text(m->dims, &v->type, type, sizeof type),
         kind_name(kind));
    return false;
}

/* ---- Running ------------------------------------------------------------------------------------------ */

/* profile: filled, with the graph run as written; or NULL. */
static sib_code run(const op_case *c, sib_model *m, const char *backends, sib_profile *profile,
                    sib_value **out, sib_error *err)
{
    sib_session *s = NULL;
    sib_named_value in[OUTPUTS_MAX];
    sib_session_options options = {.backends = backends, .threads = 1, .passes = profile ? "-all" : NULL};
    const sib_run_options how = {.profile = profile};
    const graph *g = m->onnx->graph;
    sib_code code = sib_session_create(m, &options, &s, err);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const char *name = g->values[g->inputs.ids[i]].name.data;
        in[i] = (sib_named_value){name, c->in[strtoul(name + 1, NULL, 10)].value};
    }
    if (code == SIB_OK)
        code = sib_session_run(s, g->inputs.n, in, 0, NULL, out, &how, err);
    sib_session_free(&s);
    return code;
}

/* Compares the outputs with the case and with the inferred types. */
static bool check_outputs(const op_case *c, sib_model *m, sib_value *const *got, double scale, char *words,
                          size_t size)
{
    sib_error err = SIB_ERROR_INIT;
    dim_binding b = {0};
    bool ok = bind_inputs(c, m->onnx, &b, &err);
    if (!ok)
        says(words, size, "dims cannot be bound: %s", err.message);
    for (size_t i = 0, k = 0; ok && i < c->n_out; i++) {
        char text[400];
        if (c->out[i].omitted)
            continue;
        value_id v = m->onnx->graph->outputs.ids[k];
        const closeness how = {c->out[i].any, c->tolerance, scale};
        ok = compare_values(got[k], c->out[i].value, &how, text, sizeof text) &&
             inferred_value(m->onnx, &b, &m->onnx->graph->values[v], got[k], text, sizeof text);
        if (!ok)
            says(words, size, "output %zu %s", i, text);
        k++;
    }
    dim_binding_clear(&b);
    return ok;
}

/* The largest magnitude of the inputs, at least 1. */
static double scale_of(const op_case *c)
{
    double scale = 1;
    for (size_t i = 0; i < c->n_in; i++)
        if (!c->in[i].omitted && sib_value_tensor(c->in[i].value))
            scale = magnitude(sib_value_tensor(c->in[i].value), scale);
    return scale;
}

bool case_check(const op_case *c, case_mode mode, const char *backends, char *words, size_t size)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *onnx = NULL;
    sib_model *m = NULL;
    sib_value *got[OUTPUTS_MAX + 1] = {0};
    bool ok = false;
    sib_code code = case_model(c, mode, &onnx, &err);
    if (code == SIB_OK)
        code = model_from_onnx(onnx, &m, &err);
    if (code == SIB_OK)
        code = run(c, m, backends, NULL, got, &err);
    if (c->error.data) {
        ok = code != SIB_OK && strstr(err.message, c->error.data);
        if (!ok && code == SIB_OK)
            says(words, size, "ran, an error with \"%s\" expected", c->error.data);
        else if (!ok)
            says(words, size, "refused with: %s; \"%s\" expected in it", err.message, c->error.data);
    } else if (code != SIB_OK) {
        says(words, size, "%s: %s", sib_code_name(code), err.message);
    } else if (m->notes.n) {
        says(words, size, "ran, but inference says: %s", m->notes.items[0]);
    } else {
        ok = check_outputs(c, m, got, strcmp(backends, "ref") ? scale_of(c) : 0, words, size);
    }
    for (size_t i = 0; i < OUTPUTS_MAX; i++)
        sib_value_free(&got[i]);
    sib_model_free(&m);
    return ok;
}

bool case_is_open(const op_case *c, case_mode mode, char *words, size_t size)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *onnx = NULL;
    sib_model *m = NULL;
    bool open = false;
    size_t used = 0;
    if (case_model(c, mode, &onnx, &err) == SIB_OK && model_from_onnx(onnx, &m, &err) == SIB_OK) {
        const graph *g = m->onnx->graph;
        for (uint32_t i = 0; i < g->outputs.n && used < size; i++) {
            char text[300];
            const value_type *type = &g->values[g->outputs.ids[i]].type;
            type_text(m->onnx->dims, type, text, sizeof text);
            open = open || strchr(text, '?') || type_outer(type) == TYPE_UNKNOWN;
            int n = snprintf(words + used, size - used, "%s%s", i ? " ; " : "", text);
            used += n > 0 ? (size_t)n : 0;
        }
    }
    sib_model_free(&m);
    return open;
}

/* Reads from a profile which backend ran the node. */
static case_claim claim_of(const sib_profile *p, const op_case *c)
{
    sib_profile_row row;
    size_t ours = 0, theirs = 0;
    bool whole = false;
    for (size_t i = 0; sib_profile_get(p, SIB_PROFILE_BY_MILLI, i, &row); i++) {
        bool mine = !strcmp(row.backend, "cpu");
        ours += mine;
        theirs += !mine;
        whole |= mine && !strcmp(row.op_type, c->name.data);
    }
    return whole && !theirs ? CLAIM_WHOLE : !ours ? CLAIM_NONE : theirs ? CLAIM_PART : CLAIM_MILLI;
}

case_claim case_claimed(const op_case *c)
{
    sib_error err = SIB_ERROR_INIT;
    onnx_model *onnx = NULL;
    sib_model *m = NULL;
    sib_profile *p = NULL;
    sib_value *got[OUTPUTS_MAX + 1] = {0};
    case_claim claim = CLAIM_NONE;
    if (case_model(c, CASE_CONCRETE, &onnx, &err) == SIB_OK && model_from_onnx(onnx, &m, &err) == SIB_OK &&
        sib_profile_create(&p, &err) == SIB_OK && run(c, m, "cpu,ref", p, got, &err) == SIB_OK)
        claim = claim_of(p, c);
    for (size_t i = 0; i < OUTPUTS_MAX; i++)
        sib_value_free(&got[i]);
    sib_profile_free(&p);
    sib_model_free(&m);
    return claim;
}

const char *case_claim_name(case_claim claim)
{
    static const char *const names[] = {"none", "part", "milli", "whole"};
    return names[claim];
}
