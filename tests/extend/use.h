/* Models made by calls of an operator whose lowering is one function, for tests of words. */
#ifndef TESTS_EXTEND_USE_H
#define TESTS_EXTEND_USE_H

#include "own.h"

#include <sibyl/build.h>

typedef void (*use)(sib_lowering *l);

static inline sib_code use_it(void *context, sib_lowering *l, sib_error *err)
{
    (void)err;
    (*(use *)context)(l);
    return SIB_OK;
}

static inline sib_mval in(sib_lowering *l, size_t i)
{
    return sib_lowering_input(l, i);
}

static inline void out(sib_lowering *l, size_t i, sib_mval v)
{
    sib_lowering_output(l, i, v);
}

/* A word with up to three values, which end at SIB_NONE. */
static inline sib_mval word(sib_lowering *l, const char *name, sib_mval a, sib_mval b, sib_mval c,
                            size_t n_params, const sib_param *params)
{
    const sib_mval values[3] = {a, b, c};
    size_t n = 0;
    while (n < 3 && values[n].id != SIB_NONE)
        n++;
    return sib_milli_op(l, name, n, values, n_params, params);
}
#define NONE ((sib_mval){SIB_NONE})

static inline sib_mval int64(sib_lowering *l, double number)
{
    return sib_milli_scalar(l, SIB_I64, number);
}

static inline sib_mval list(sib_lowering *l, sib_dtype dtype, size_t n, const double *numbers)
{
    const int64_t dims = (int64_t)n;
    sib_tensor *t = tiny_tensor(dtype, 1, &dims, numbers);
    sib_mval made = sib_milli_constant(l, t);
    sib_tensor_free(&t);
    return made;
}

/* One tree: its root tests `feature` and leads to two leaves. */
static inline sib_mval tree(sib_lowering *l, int64_t feature, size_t n_modes)
{
    const int64_t one[2] = {0, 0}, starts[3] = {0, 1, 2}, yes = -1, no = -2;
    const sib_param p[] = {SIB_PARAM_INT("n_targets", 1),
                           SIB_PARAM_INTS("roots", 1, one),
                           SIB_PARAM_INTS("features", 1, &feature),
                           SIB_PARAM_INTS("modes", n_modes, one),
                           SIB_PARAM_INTS("missing", 1, one),
                           SIB_PARAM_INTS("yes", 1, &yes),
                           SIB_PARAM_INTS("no", 1, &no),
                           SIB_PARAM_INTS("leaf_starts", 3, starts),
                           SIB_PARAM_INTS("targets", 2, one),
                           SIB_PARAM_INTS("member_starts", 2, one)};
    sib_mval all[4] = {sib_milli_cast(l, in(l, 0), SIB_F64), list(l, SIB_F64, 1, OF(3)),
                       list(l, SIB_F64, 2, OF(10.5, 20.25)), list(l, SIB_F64, 0, NULL)};
    return sib_milli_op(l, "trees", 4, all, sizeof p / sizeof *p, p);
}

/* ---- Inputs ---------------------------------------------------------------------------------------------- */

static inline sib_tensor *strings(size_t n, const char *const *items)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    CHECK_OK(sib_tensor_create(SIB_STRING, 1, (const int64_t[]){(int64_t)n}, &t, &err), err);
    for (int64_t i = 0; i < (int64_t)n; i++)
        CHECK_OK(sib_tensor_set_string(t, &i, str_of(items[i]), &err), err);
    return t;
}

/* Inputs by their names, one letter each. */
static inline sib_tensor *input_of(char name)
{
    switch (name) {
    case 'x':
        return tiny_tensor(SIB_F32, 2, (const int64_t[]){2, 3}, OF(1, 5, 3, 4, 2, 6));
    case 's':
        return strings(4, (const char *const[]){"a,b,c",
                                                "Stra\xc3\x9f"
                                                "e 7",
                                                "", "x,"});
    case 'b':
        return tiny_tensor(SIB_F32, 3, (const int64_t[]){1, 3, 4}, OF(0, 0, 1, 1, 0, 0, 1, 0.9, 2, 2, 3, 3));
    case 'c':
        return tiny_tensor(SIB_F32, 3, (const int64_t[]){1, 2, 3}, OF(0.5, 0.75, 0.25, 0.5, 0.125, 0.875));
    case 'p':
        return tiny_tensor(SIB_U8, 1, (const int64_t[]){17},
                           OF(80, 54, 32, 50, 32, 49, 32, 50, 53, 53, 32, 1, 2, 3, 4, 5, 6));
    case 'i':
        return tiny_tensor(SIB_I64, 2, (const int64_t[]){2, 4}, OF(2, 5, 4, 2, 3, 3, 5, 4));
    default:
        return tiny_tensor(SIB_F32, 3, (const int64_t[]){2, 2, 2}, OF(1, 2, 3, 4, 0, 2, 5, 7));
    }
}

/* A model of node `type` of my.dom, its inputs named by letters, and of my.dom:Ref where there is a text. */
static inline sib_session *make(use *f, const char *inputs, const char *text, size_t n_out,
                                const sib_session_options *options)
{
    const sib_operator op = {
        .domain = "my.dom", .name = "Use", .max_inputs = 8, .max_outputs = 4, .context = f, .lower = use_it};
    static const char *const named[2][4] = {{"u0", "u1", "u2", "u3"}, {"r0", "r1", "r2", "r3"}};
    static const char letters[][2] = {"x", "s", "b", "c", "p", "i", "q"};
    sib_error err = SIB_ERROR_INIT;
    sib_registry *r = own_registry(&op);
    sib_build *b = NULL;
    sib_model *m = NULL;
    sib_session *s = NULL;
    const char *names[8];
    size_t n = strlen(inputs);
    if (text)
        CHECK_OK(sib_function_register_text(r, text, strlen(text), "ref", &err), err);
    CHECK_OK(sib_build_create(21, &b, &err), err);
    CHECK_OK(sib_build_opset(b, "my.dom", 1, &err), err);
    CHECK_OK(sib_build_registry(b, r, &err), err);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof letters / sizeof *letters; k++)
            if (*letters[k] == inputs[i])
                names[i] = letters[k];
        sib_tensor *t = input_of(inputs[i]);
        CHECK_OK(sib_build_input(b, names[i], sib_tensor_dtype(t), sib_tensor_rank(t), sib_tensor_dims(t),
                                 NULL, &err),
                 err);
        sib_tensor_free(&t);
    }
    for (size_t k = 0; k < (text ? 2u : 1u); k++) {
        const sib_build_node added = {
            "my.dom", k ? "Ref" : "Use", k ? "ref" : "use", n, n_out, 0, names, named[k], NULL};
        CHECK_OK(sib_build_add(b, &added, &err), err);
        for (size_t i = 0; i < n_out; i++)
            CHECK_OK(sib_build_output(b, named[k][i], &err), err);
    }
    CHECK_OK(sib_build_model(&b, &m, &err), err);
    CHECK_OK(sib_session_create(m, options, &s, &err), err);
    sib_model_free(&m);
    sib_registry_free(&r);
    return s;
}

static inline sib_code run(sib_session *s, const char *inputs, sib_value **outs, sib_error *err)
{
    sib_tensor *tensors[8] = {NULL};
    sib_value *values[8] = {NULL};
    sib_named_value given[8] = {{NULL, NULL}};
    char names[8][2];
    size_t n = strlen(inputs);
    for (size_t i = 0; i < n; i++) {
        tensors[i] = input_of(inputs[i]);
        CHECK_OK(sib_value_from_tensor(tensors[i], &values[i], err), *err);
        snprintf(names[i], sizeof names[i], "%c", inputs[i]);
        given[i] = (sib_named_value){names[i], values[i]};
    }
    sib_code code = sib_session_run(s, n, given, 0, NULL, outs, NULL, err);
    for (size_t i = 0; i < n; i++) {
        sib_value_free(&values[i]);
        sib_tensor_free(&tensors[i]);
    }
    return code;
}

#endif
