/* Runs a model of one operator on cpu, or another backend, and on ref, and compares the outputs. */
#ifndef TESTS_BACKEND_CLAIM_H
#define TESTS_BACKEND_CLAIM_H

#include "run/tiny.h"

#include <math.h>

#define CLAIM_MAX 16

/* cpu takes the operator entirely; another one may run all of its milli-ops. */
static const char *claim_backend = "cpu";

/* An input of the operator. dtype SIB_DTYPE_UNKNOWN: omitted. */
typedef struct claim_input {
    sib_dtype dtype;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    const double *values; /* NULL: drawn from [-1, 1) times `size` (0: 1) */
    double size;
    bool constant; /* an initializer */
} claim_input;

typedef struct claim_case {
    const char *domain, *type;
    int64_t version;
    size_t n_in, n_out;
    claim_input in[CLAIM_MAX];
    bool unwanted[CLAIM_MAX]; /* outputs that nobody reads */
    size_t n_attributes;
    attribute attributes[CLAIM_MAX];
    double abs, rel;    /* tolerance against ref */
    bool left_to_lower; /* cpu must not claim this node */
    unsigned threads;   /* of cpu; 0 means 1 */
} claim_case;

static inline attribute claim_int(const char *name, int64_t i)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INT, .i = i};
}

/* i: (n), not copied */
static inline attribute claim_ints(const char *name, size_t n, const int64_t *i)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = i};
}

static inline attribute claim_float(const char *name, double f)
{
    return (attribute){.name = str_of(name), .kind = ATTR_FLOAT, .f = (float)f};
}

static inline attribute claim_text(const char *name, const char *s)
{
    return (attribute){.name = str_of(name), .kind = ATTR_STRING, .s = str_of(s)};
}

CHECK_UNWATCHED static inline double *claim_values(const claim_input *in, check_random *r)
{
    size_t n = 1;
    for (size_t i = 0; i < in->rank; i++)
        n *= (size_t)in->dims[i];
    double *values = calloc(n + 1, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < n; i++)
        values[i] = in->values              ? in->values[i]
                    : in->dtype == SIB_BOOL ? (double)(check_u64(r) % 4 != 0)
                                            : check_uniform(r) * (in->size != 0 ? in->size : 1);
    return values;
}

static inline sib_session *claim_session(const claim_case *w, const char *backends, sib_value **inputs)
{
    static const char *const names[] = {"i0", "i1", "i2",  "i3",  "i4",  "i5",  "i6",  "i7",
                                        "i8", "i9", "i10", "i11", "i12", "i13", "i14", "i15"};
    static const char *const made[] = {"o0", "o1", "o2", "o3"};
    check_random r = {9001};
    tiny t = tiny_begin();
    value_id in[CLAIM_MAX], out[4];
    for (size_t i = 0; i < w->n_in; i++) {
        const claim_input *x = &w->in[i];
        inputs[i] = NULL;
        in[i] = NO_VALUE;
        if (x->dtype == SIB_DTYPE_UNKNOWN)
            continue;
        char dims[200] = "";
        for (size_t d = 0; d < x->rank; d++)
            snprintf(dims + strlen(dims), sizeof dims - strlen(dims), "%lld ", (long long)x->dims[d]);
        double *values = claim_values(x, &r);
        if (x->constant)
            in[i] = tiny_constant(&t, names[i], x->dtype, x->rank, x->dims, values);
        else {
            in[i] = tiny_input(&t, names[i], x->dtype, dims);
            inputs[i] = tiny_given(x->dtype, x->rank, x->dims, values);
        }
        free(values);
    }
    for (size_t i = 0; i < w->n_out; i++)
        out[i] = w->unwanted[i] ? NO_VALUE : tiny_made(&t, made[i]);
    node_id id =
        tiny_node(&t, w->type, "it", w->n_in, in, w->n_out, out, w->n_attributes, (attribute *)w->attributes);
    t.g->nodes[id].domain = str_of(w->domain);
    t.g->nodes[id].version = w->version;
    for (size_t i = 0; i < w->n_out; i++)
        if (!w->unwanted[i])
            tiny_output(&t, out[i]);
    sib_session_options options = {.backends = backends, .threads = w->threads ? w->threads : 1};
    return tiny_session(&t, &options);
}

static inline void claim_run(const claim_case *w, const char *backends, sib_value **out, bool *claimed)
{
    static const char *const names[] = {"i0", "i1", "i2",  "i3",  "i4",  "i5",  "i6",  "i7",
                                        "i8", "i9", "i10", "i11", "i12", "i13", "i14", "i15"};
    sib_error err = SIB_ERROR_INIT;
    sib_value *inputs[CLAIM_MAX];
    sib_named_value given[CLAIM_MAX];
    size_t n = 0;
    sib_profile *profile = NULL;
    sib_profile_row row;
    sib_session *s = claim_session(w, backends, inputs);
    for (size_t i = 0; i < w->n_in; i++)
        if (inputs[i])
            given[n++] = (sib_named_value){names[i], inputs[i]};
    CHECK_OK(sib_profile_create(&profile, &err), err);
    sib_run_options options = {.profile = profile};
    CHECK_OK(sib_session_run(s, n, given, 0, NULL, out, &options, &err), err);
    const bool entire = !strcmp(claim_backend, "cpu");
    *claimed =
        sib_profile_get(profile, SIB_PROFILE_BY_MILLI, 0, &row) && (!entire || !strcmp(row.op_type, w->type));
    for (size_t i = 0; sib_profile_get(profile, SIB_PROFILE_BY_MILLI, i, &row) && (!entire || !i); i++)
        *claimed = *claimed && !strcmp(row.backend, claim_backend);
    sib_profile_free(&profile);
    for (size_t i = 0; i < w->n_in; i++)
        sib_value_free(&inputs[i]);
    sib_session_free(&s);
}

/* The outputs on ref that are wanted, one after the other (CLAIM_MAX): the same whichever inputs are constants and for any number of threads. */
static inline void claim_expect(const claim_case *w, sib_value **expected)
{
    bool claimed;
    memset(expected, 0, CLAIM_MAX * sizeof(sib_value *));
    if (!CHECK_RACES_ALONE)
        claim_run(w, "ref", expected, &claimed);
}

static inline void claim_drop(sib_value **values)
{
    for (size_t i = 0; i < CLAIM_MAX; i++)
        sib_value_free(&values[i]);
}

/* Fails if the backend does not take the operator (or does, with left_to_lower), or an output that is wanted differs from
   `expected`. */
static inline void claim_compare(const claim_case *w, sib_value *const *expected, const char *what)
{
    sib_value *got[CLAIM_MAX] = {0};
    sib_error err = SIB_ERROR_INIT;
    bool claimed;
    if (CHECK_RACES_ALONE && w->threads < 2)
        return;
    char backends[64];
    snprintf(backends, sizeof backends, "%s,ref", claim_backend);
    claim_run(w, backends, got, &claimed);
    if (claimed == w->left_to_lower)
        fail_msg("%s: %s %s %s", what, claim_backend, claimed ? "claims" : "does not claim", w->type);
    for (size_t i = 0; i < CLAIM_MAX; i++) {
        sib_comparison c;
        sib_tolerance tolerance = {w->abs, w->rel, 0};
        if (!got[i] || CHECK_RACES_ALONE)
            continue;
        CHECK_OK(sib_value_compare(got[i], expected[i], &tolerance, &c, &err), err);
        if (!c.equal)
            fail_msg("%s: output %zu, element %llu is %g, on ref %g", what, i, (unsigned long long)c.worst,
                     c.worst_a, c.worst_b);
    }
    claim_drop(got);
}

static inline void claim_check(const claim_case *w, const char *what)
{
    sib_value *expected[CLAIM_MAX];
    claim_expect(w, expected);
    claim_compare(w, expected, what);
    claim_drop(expected);
}

#endif
