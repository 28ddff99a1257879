/* Lowerings: how an operator is defined as a short program of primitive operations, its milli-ops.

   A lowering's callback appends milli-ops to a graph; each call returns a handle of the
   value it makes, whose dtype and dims are known at once. Sibyl calls it to infer types, with dims that are
   expressions over symbols, and to plan a run, where they are numbers; so an operator defined this way has
   type inference, oracle mode and every backend without further code.

   Failures are sticky: after the first, every call returns a handle SIB_NONE at once, and an operand
   SIB_NONE gives SIB_NONE, so that a lowering needs no checks. A number or elements that are not known yet
   (sib_mval_number, sib_mval_content in inference) end the lowering likewise, and it is called again once they
   are: it must do the same in each call, and have no other effects.

   In oracle mode float32, float16 and bfloat16 are double throughout: take dtypes from values
   (sib_mval_dtype, sib_milli_number) instead of naming them. A lowering and its handles live until the
   callback that received it returns, and belong to its thread. */
#ifndef SIBYL_LOWERING_H
#define SIBYL_LOWERING_H

#include <sibyl/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_lowering sib_lowering;

/* A value of the lowering; id SIB_NONE for none. */
typedef struct sib_mval {
    uint32_t id;
} sib_mval;

/* A dim: a number, or an expression over symbolic dims such as 2*T+1. id 0 for none. */
typedef struct sib_mdim {
    uint32_t id;
} sib_mdim;

/* A node as callbacks see it: see extend.h. */
struct sib_node;

/* ---- The node ---------------------------------------------------------------------------------------- */

/* The node that is lowered: its name, version and attributes (sib_node_attribute). */
SIB_API const struct sib_node *sib_lowering_node(const sib_lowering *l);
/* Input i; none where it is omitted. */
SIB_API sib_mval sib_lowering_input(sib_lowering *l, size_t i);
/* Whether the node has output i. */
SIB_API bool sib_lowering_wants(const sib_lowering *l, size_t i);
/* Sets output i: in a lowering, which must set each output that the node has. */
SIB_API void sib_lowering_output(sib_lowering *l, size_t i, sib_mval v);
/* Says the type of output i: in a shape function; in a lowering before it may end for numbers or elements,
   so that inference has it. dims: (rank) with id 0 for those that only a run knows; rank -1: so is the rank. */
SIB_API void sib_lowering_declare(sib_lowering *l, size_t i, sib_dtype dtype, int rank, const sib_mdim *dims);
/* The same, as the type of v. */
SIB_API void sib_lowering_declare_like(sib_lowering *l, size_t i, sib_mval v);
/* Fails with a sentence, which the error gives after the node's name. Returns code, for the callback to
   return. */
SIB_API sib_code sib_lowering_fail(sib_lowering *l, sib_code code, const char *message);
/* False once the lowering has failed or ended for something that is not known yet. */
SIB_API bool sib_lowering_ok(const sib_lowering *l);

/* ---- Values and dims --------------------------------------------------------------------------------- */

SIB_API sib_dtype sib_mval_dtype(const sib_lowering *l, sib_mval v); /* SIB_DTYPE_UNKNOWN where unknown */
SIB_API int sib_mval_rank(sib_lowering *l, sib_mval v);
SIB_API sib_mdim sib_mval_dim(sib_lowering *l, sib_mval v,
                              int axis); /* a negative axis counts from the end */
/* Its elements, where they are known before the run or once the values it is made of exist. The tensor lives
   as long as the lowering. NULL: see above. */
SIB_API const sib_tensor *sib_mval_content(sib_lowering *l, sib_mval v);

SIB_API sib_mdim sib_mdim_of(sib_lowering *l, int64_t number);
/* The number; ends the lowering where the dim is not a number yet, and returns 1. */
SIB_API int64_t sib_mdim_number(sib_lowering *l, sib_mdim d);
typedef enum sib_mdim_op {
    SIB_MDIM_ADD,
    SIB_MDIM_SUB,
    SIB_MDIM_MUL,
    SIB_MDIM_FLOOR_DIV, /* rounds toward minus infinity */
    SIB_MDIM_CEIL_DIV,
    SIB_MDIM_MIN,
    SIB_MDIM_MAX,
    SIB_MDIM_BROADCAST /* where one is 1, the other */
} sib_mdim_op;
SIB_API sib_mdim sib_mdim_compute(sib_lowering *l, sib_mdim_op op, sib_mdim x, sib_mdim y);

/* ---- Constants --------------------------------------------------------------------------------------- */

SIB_API sib_mval sib_milli_constant(sib_lowering *l, const sib_tensor *t); /* t is copied */
SIB_API sib_mval sib_milli_scalar(sib_lowering *l, sib_dtype dtype, double number);
/* A scalar of the dtype of `like`. */
SIB_API sib_mval sib_milli_number(sib_lowering *l, sib_mval like, double number);
SIB_API sib_mval sib_milli_dim(sib_lowering *l, sib_mdim d); /* int64 scalar */

/* ---- Milli-ops --------------------------------------------------------------------------------------- */

/* A parameter of a milli-op: integers, dims (which may stand for integers), text, or a list of floats or
   strings. */
typedef struct sib_param {
    const char *name;
    size_t n;
    const int64_t *ints;    /* (n), or NULL */
    const sib_mdim *dims;   /* (n), or NULL */
    const char *text;       /* or NULL */
    const float *floats;    /* (n), or NULL */
    const sib_str *strings; /* (n), or NULL */
} sib_param;
#define SIB_PARAM_INT(name, number)                                                                          \
    {                                                                                                        \
        (name), 1, (const int64_t[]){number}, NULL, NULL, NULL, NULL                                         \
    }
#define SIB_PARAM_INTS(name, n, numbers)                                                                     \
    {                                                                                                        \
        (name), (n), (numbers), NULL, NULL, NULL, NULL                                                       \
    }
#define SIB_PARAM_DIMS(name, n, dims)                                                                        \
    {                                                                                                        \
        (name), (n), NULL, (dims), NULL, NULL, NULL                                                          \
    }
#define SIB_PARAM_TEXT(name, text)                                                                           \
    {                                                                                                        \
        (name), 0, NULL, NULL, (text), NULL, NULL                                                            \
    }
#define SIB_PARAM_FLOATS(name, n, floats)                                                                    \
    {                                                                                                        \
        (name), (n), NULL, NULL, NULL, (floats), NULL                                                        \
    }
#define SIB_PARAM_STRINGS(name, n, strings)                                                                  \
    {                                                                                                        \
        (name), (n), NULL, NULL, NULL, NULL, (strings)                                                       \
    }

/* Appends a milli-op by its name. in: (n_in) values, dims broadcast as in NumPy. sib_milli_word lists the
   names with their parameters. out: (n_out) receives the values.
   Fails by name for an unknown word, a wrong number of inputs, an unknown or missing parameter, dtypes or
   dims that do not fit. */
SIB_API void sib_milli_emit(sib_lowering *l, const char *name, size_t n_in, const sib_mval *in,
                            size_t n_params, const sib_param *params, size_t n_out, sib_mval *out);

/* The word i of sib_milli_op: its name, and in *params (may be NULL) its parameters, those that may be left out
   with "?": "axis keep?"; in *outputs (may be NULL) the values that it makes. NULL where i is out of range. Static storage. */
SIB_API const char *sib_milli_word(size_t i, const char **params, size_t *outputs);

/* One output. */
static inline sib_mval sib_milli_op(sib_lowering *l, const char *name, size_t n_in, const sib_mval *in,
                                    size_t n_params, const sib_param *params)
{
    sib_mval out;
    sib_milli_emit(l, name, n_in, in, n_params, params, 1, &out);
    return out;
}
/* One input and no parameters: "exp", "neg", "sqrt", "sigmoid", ... */
static inline sib_mval sib_milli_unary(sib_lowering *l, const char *name, sib_mval x)
{
    return sib_milli_op(l, name, 1, &x, 0, NULL);
}
/* Two inputs and no parameters: "add", "mul", "matmul", "less", ... */
static inline sib_mval sib_milli_binary(sib_lowering *l, const char *name, sib_mval x, sib_mval y)
{
    const sib_mval in[2] = {x, y};
    return sib_milli_op(l, name, 2, in, 0, NULL);
}
static inline sib_mval sib_milli_cast(sib_lowering *l, sib_mval x, sib_dtype to)
{
    const int64_t number = to;
    const sib_param p = SIB_PARAM_INTS("to", 1, &number);
    return sib_milli_op(l, "cast", 1, &x, 1, &p);
}
/* A reduction over one axis, which is kept with size 1: "reduce_sum", "reduce_mean", "reduce_max", ... */
static inline sib_mval sib_milli_reduce(sib_lowering *l, const char *name, sib_mval x, int64_t axis)
{
    const int64_t keep = 1;
    const sib_param p[2] = {SIB_PARAM_INTS("axes", 1, &axis), SIB_PARAM_INTS("keep", 1, &keep)};
    return sib_milli_op(l, name, 1, &x, 2, p);
}
static inline sib_mval sib_milli_reshape(sib_lowering *l, sib_mval x, size_t rank, const sib_mdim *dims)
{
    const sib_param p = SIB_PARAM_DIMS("dims", rank, dims);
    return sib_milli_op(l, "reshape", 1, &x, 1, &p);
}
static inline sib_mval sib_milli_transpose(sib_lowering *l, sib_mval x, size_t rank, const int64_t *perm)
{
    const sib_param p = SIB_PARAM_INTS("perm", rank, perm);
    return sib_milli_op(l, "transpose", 1, &x, 1, &p);
}

#ifdef __cplusplus
}
#endif
#endif
