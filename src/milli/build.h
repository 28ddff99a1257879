/* Builder of milli-ops: the functions by which src/ops/ defines operators.

   Every m_ function appends one or a few milli-ops to l->graph and returns a handle of the resulting value,
   whose dtype and dims are inferred at once. Failures are sticky: after the first, all functions return
   MVAL_NONE immediately, and an operand MVAL_NONE gives MVAL_NONE. So a lowering needs no error checks;
   l->status is checked once, at the end.

   The same lowering runs in two modes. To run a graph, all dims are constants. To infer types
   (l->symbolic), dims are expressions and the milli-ops are discarded; a lowering that needs the number of
   a symbolic dim then stops with LOWER_NEEDS_DIMS, and one that needs the elements of an input (the target
   of Reshape) stops with LOWER_NEEDS_CONTENT. Inference keeps what l_declare and l_out were given until
   then. */
#ifndef MILLI_BUILD_H
#define MILLI_BUILD_H

#include "base/assert.h"
#include "base/cancel.h"
#include "milli/milli.h"

/* A value of l->graph. */
typedef struct mval {
    value_id id;
} mval;
#define MVAL_NONE ((mval){NO_VALUE})

typedef enum lower_status {
    LOWER_OK,
    LOWER_NEEDS_DIMS,    /* symbolic only: a dim must be a number first */
    LOWER_NEEDS_CONTENT, /* the elements of an imported value, l->needs, must be known first */
    LOWER_FAILED         /* see l->error: wrong input, unsupported, memory */
} lower_status;

typedef struct lowering lowering;

/* What is left for lowering all nodes of an inference or a plan; a file could ask for endless work. At ops
   0 inference stops (LOWER_NEEDS_DIMS) and planning fails; at work 0 only what a lowering asks for is
   still folded. */
typedef struct lower_budget {
    uint64_t ops;  /* milli-ops */
    uint64_t work; /* elements that folding reads and multiplies */
} lower_budget;

/* A scalar constant of a graph; the value may have been removed since. */
typedef struct made_scalar {
    uint64_t bits; /* of the number that it was made from */
    sib_dtype from, to;
    value_id id;
    const sib_tensor *constant;
} made_scalar;

#define SCALARS_KEPT 8

struct lowering {
    graph *graph;                    /* receives the milli-ops */
    bool symbolic;                   /* inference: dims may be expressions */
    bool oracle;                     /* float16, bfloat16 and float32 are computed as float64 */
    uint64_t seed;                   /* of the session, for random operators that have no seed */
    int64_t fold_limit;              /* max elements of a milli-op that is folded at once */
    const struct sib_cancel *cancel; /* stops lowering with SIB_ERR_CANCELLED; may be NULL */
    lower_budget *budget;            /* NULL: no limit */
    lower_status status;
    value_id needs;  /* with LOWER_NEEDS_CONTENT: an imported value of `graph` */
    sib_error error; /* with LOWER_FAILED */

    /* The node being lowered and its source graph; set by lower_node. */
    const struct graph *source;
    const node *node;
    node_id node_index;
    mval *outs;           /* (node->outputs.n) as given to l_out */
    value_type *declared; /* (node->outputs.n) as given to l_declare, else unknown */
    unsigned depth;       /* nesting of the subgraphs being inlined */

    made_scalar scalars[SCALARS_KEPT]; /* the last, which nodes share */
    unsigned n_scalars;                /* ever made */

    /* Symbolic only: nodes [begin, end) of `graph` are one of `times` steps, of which the others are not
       lowered; set with LOWER_NEEDS_DIMS once all else is, so that operations can be counted. */
    struct {
        node_id begin, end;
        dim times;
    } steps[2];
    unsigned n_steps;

    /* Contexts of whoever drives the lowering: `driver` is that of import and changes within subgraphs
       that are lowered in place; `owner` is that of the other callbacks and stays. */
    void *driver, *owner;
    /* Returns the value of l->graph that represents a value of `source`. */
    mval (*import)(lowering *l, const struct graph *source, value_id v);
    /* Computes a milli-op whose inputs are all constants; sets its outputs' constants, which the graph's
       arena keeps. NULL: nothing is folded. */
    sib_code (*fold)(lowering *l, node_id milli, sib_error *err);
    /* Infers a subgraph of If, Loop or Scan in symbolic mode; NULL otherwise. */
    sib_code (*infer_subgraph)(lowering *l, graph *subgraph, sib_error *err);
};

/* ---- Failure ---------------------------------------------------------------------------------------- */

/* Sets status LOWER_FAILED with the message prefixed by "'name' (Type): ". Returns MVAL_NONE. */
mval l_fail(lowering *l, sib_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* False after a failure, or once dims or content are needed. */
static inline bool l_ok(const lowering *l)
{
    return l->status == LOWER_OK;
}

/* Where assertions are on, which static analysis is one case of, the caller sees that a failure stays. */
#if defined(SIBYL_ASSERTIONS)
static inline mval l_failed(const lowering *l, mval none)
{
    SIB_ASSERT(!l_ok(l));
    return none;
}
#define l_fail(l, ...) l_failed(l, l_fail(l, __VA_ARGS__))
#endif

/* ---- Queries ---------------------------------------------------------------------------------------- */

const value_type *m_type(const lowering *l, mval v); /* valid until the next m_ call; never NULL */
sib_dtype m_dtype(const lowering *l, mval v);
bool m_is(const lowering *l, mval v, sib_dtype_kind kind);
/* Returns the rank; for an unranked value stops with LOWER_NEEDS_DIMS and returns 0. */
int m_rank(lowering *l, mval v);
/* Returns the dim of an axis, which may be negative; DIM_NONE after a failure. */
dim m_dim(lowering *l, mval v, int axis);
/* Gets the dims; returns the rank. */
int m_dims(lowering *l, mval v, dim out[SIB_MAX_RANK]);
/* Returns the value of a constant dim; for a symbolic one stops with LOWER_NEEDS_DIMS and returns 1. */
int64_t m_number(lowering *l, dim d);
/* m_number(m_dim()). */
int64_t m_size(lowering *l, mval v, int axis);
/* Maps axis from [-rank, rank) to [0, rank); fails where it is out of range. what: its name in the
   message, "axis". */
int m_axis(lowering *l, int64_t axis, int rank, const char *what);

/* True for a constant: the elements are known without folding. */
bool m_is_known(const lowering *l, mval v);
/* Returns the tensor of a value, folding what it depends on; where that is unknown, stops with
   LOWER_NEEDS_CONTENT and returns NULL. It lives as long as the graph's arena. */
const sib_tensor *m_content(lowering *l, mval v);
/* Gets the elements of an integer tensor of rank 0 or 1 as dims: from a constant, or symbolic from Shape
   and arithmetic. Returns the count; fails where it exceeds max, and stops with LOWER_NEEDS_CONTENT where
   the elements are unknown. */
size_t m_elements(lowering *l, mval v, dim *out, size_t max);
/* The same as integers. */
size_t m_ints(lowering *l, mval v, int64_t *out, size_t max);
/* The value of a scalar or of a tensor with one element. */
int64_t m_int(lowering *l, mval v);
double m_float(lowering *l, mval v);

/* ---- Arithmetic of dims ----------------------------------------------------------------------------- */

dim d_const(lowering *l, int64_t number);
dim d_add(lowering *l, dim a, dim b);
dim d_sub(lowering *l, dim a, dim b);
dim d_mul(lowering *l, dim a, dim b);
dim d_floor_div(lowering *l, dim a, dim b);
dim d_ceil_div(lowering *l, dim a, dim b);
dim d_min(lowering *l, dim a, dim b);
dim d_max(lowering *l, dim a, dim b);
dim d_broadcast(lowering *l, dim a, dim b);            /* where one is 1, the other */
dim d_product(lowering *l, size_t n, const dim *dims); /* 1 for none */

/* ---- Constants ------------------------------------------------------------------------------------- */

mval m_constant(lowering *l, sib_tensor *t);                     /* takes ownership of t, also on failure */
mval m_constant_ref(lowering *l, const sib_tensor *t);           /* t must outlive the graph (an attribute) */
mval m_scalar(lowering *l, sib_dtype dtype, double number);      /* rounded or truncated to dtype */
mval m_scalar_int(lowering *l, sib_dtype dtype, int64_t number); /* exact; wraps */
mval m_scalar_like(lowering *l, mval x, double number);          /* of the dtype of x */
mval m_int64s(lowering *l, size_t n, const int64_t *values);     /* [n] */
mval m_floats(lowering *l, size_t n, const float *values);       /* float32 [n] */
mval m_strings(lowering *l, size_t n, const sib_str *values);    /* [n] */
mval m_dim_vector(lowering *l, size_t n, const dim *dims);       /* int64 [n], its elements known as dims */
mval m_dim_scalar(lowering *l, dim d);                           /* int64 scalar */
mval m_filled(lowering *l, mval scalar, size_t rank, const dim *dims); /* the scalar expanded */
mval m_iota(lowering *l, sib_dtype dtype, dim n);                      /* 0, 1, ... n - 1 */

/* ---- Elementwise ------------------------------------------------------------------------------------ */

mval m_unary(lowering *l, milli_kind kind, mval a);
mval m_binary(lowering *l, milli_kind kind, mval a, mval b); /* fails where dtypes differ, naming both */
#define M_UNARY(name)                                                                                        \
    static inline mval m_##name(lowering *l, mval a)                                                         \
    {                                                                                                        \
        return m_unary(l, MILLI_##name, a);                                                                  \
    }
#define M_BINARY(name)                                                                                       \
    static inline mval m_##name(lowering *l, mval a, mval b)                                                 \
    {                                                                                                        \
        return m_binary(l, MILLI_##name, a, b);                                                              \
    }
M_UNARY(neg)
M_UNARY(abs)
M_UNARY(sign)
M_UNARY(floor)
M_UNARY(ceil)
M_UNARY(round)
M_UNARY(sqrt)
M_UNARY(exp)
M_UNARY(log)
M_UNARY(sin)
M_UNARY(cos)
M_UNARY(tanh)
M_UNARY(erf)
M_UNARY(log1p)
M_UNARY(not )
M_UNARY(is_nan)
M_UNARY(is_inf)
M_BINARY(add)
M_BINARY(sub)
M_BINARY(mul)
M_BINARY(div)
M_BINARY(mod)
M_BINARY(fmod)
M_BINARY(pow)
M_BINARY(min)
M_BINARY(max)
M_BINARY(and)
M_BINARY(or)
M_BINARY(xor)
M_BINARY(equal)
M_BINARY(less)
M_BINARY(less_equal)
#undef M_UNARY
#undef M_BINARY
mval m_where(lowering *l, mval condition, mval a, mval b);
mval m_cast(lowering *l, mval a, sib_dtype to); /* returns a itself where it has the dtype; integers wrap */
mval m_cast_saturating(lowering *l, mval a, sib_dtype to); /* 8-bit floats saturate, integers are clamped */
mval m_cast_like(lowering *l, mval a, mval like);
mval m_bitcast(lowering *l, mval a, sib_dtype to);
/* The second operand is a number, converted to the dtype of a. */
mval m_add_number(lowering *l, mval a, double b);
mval m_mul_number(lowering *l, mval a, double b);
mval m_reciprocal(lowering *l, mval a);
mval m_square(lowering *l, mval a);
/* min(max(a, low), high); a bound MVAL_NONE is left out. */
mval m_clamp(lowering *l, mval a, mval low, mval high);
mval m_sigmoid(lowering *l, mval a); /* 1 / (1 + e^-a), in double, rounded once */
mval m_relu(lowering *l, mval a);

/* ---- Reductions. axes: (n), may be negative; n = 0 with axes NULL reduces all. ---------------------- */

typedef enum { DROP_DIMS = 0, KEEP_DIMS = 1 } keep_dims;
mval m_reduce(lowering *l, milli_kind kind, mval a, size_t n, const int64_t *axes, keep_dims keep);
mval m_reduce_axis(lowering *l, milli_kind kind, mval a, int64_t axis, keep_dims keep);
mval m_reduce_mean(lowering *l, mval a, size_t n, const int64_t *axes, keep_dims keep);
mval m_arg(lowering *l, milli_kind kind, mval a, int64_t axis, bool last, keep_dims keep);
mval m_cumulative(lowering *l, milli_kind kind, mval a, int64_t axis);
mval m_softmax(lowering *l, mval a, int64_t axis); /* e^(a - max) / sum; computed in the dtype of a */
mval m_log_softmax(lowering *l, mval a, int64_t axis);

/* ---- Layout ------------------------------------------------------------------------------------------ */

mval m_reshape(lowering *l, mval a, size_t rank, const dim *dims); /* the element counts must agree */
mval m_reshape_numbers(lowering *l, mval a, size_t rank, const int64_t *dims);
/* Merges axes [begin, end) into one; an empty range inserts a 1. */
mval m_flatten(lowering *l, mval a, int begin, int end);
/* Inserts a dim of 1 at axis of the result, which may be negative. */
mval m_unsqueeze(lowering *l, mval a, int axis);
mval m_squeeze(lowering *l, mval a, int axis);
mval m_transpose(lowering *l, mval a, const int64_t *perm);       /* (rank) */
mval m_swap(lowering *l, mval a, int axis, int other);            /* exchanges two axes; may be negative */
mval m_move(lowering *l, mval a, int from, int to);               /* moves axis `from` to position `to` */
mval m_expand(lowering *l, mval a, size_t rank, const dim *dims); /* dims of the result, after broadcasting */
mval m_broadcast_like(lowering *l, mval a, mval like);
/* count elements along one axis from start; they must be in range. */
mval m_slice(lowering *l, mval a, int axis, dim start, dim count, int64_t step);
mval m_slice_numbers(lowering *l, mval a, int axis, int64_t start, int64_t count);
mval m_reverse(lowering *l, mval a, int axis);
mval m_concat(lowering *l, size_t n, const mval *items, int axis);
mval m_stack(lowering *l, size_t n, const mval *items, int axis); /* along a new axis */
/* before, after: (rank) values >= 0. filling: scalar of the same dtype, MVAL_NONE for 0. */
mval m_pad(lowering *l, mval a, const dim *before, const dim *after, mval filling);
mval m_pad_axis(lowering *l, mval a, int axis, dim before, dim after, mval filling);
mval m_gather(lowering *l, mval a, mval indices, int axis); /* indices: any integer dtype, in [0, n) */
mval m_wrap_index(lowering *l, mval indices, dim n);        /* negative indices count from the end; int64 */
mval m_gather_nd(lowering *l, mval a, mval indices, int batch);
mval m_gather_elements(lowering *l, mval a, mval indices,
                       int axis); /* out[i..] = a[i.. with axis: indices[i..]] */
mval m_scatter_nd(lowering *l, mval a, mval indices, mval updates,
                  const char *reduction); /* "none", "add", ... */
mval m_tile(lowering *l, mval a, size_t n, const dim *repeats);

/* Sliding windows over the last n axes; see milli.def. before, after: dims; pad value: scalar, or
   MVAL_NONE for 0. */
typedef struct window_spec {
    int n;
    int64_t kernel[SIB_MAX_RANK], stride[SIB_MAX_RANK], dilation[SIB_MAX_RANK]; /* (n) */
    dim before[SIB_MAX_RANK], after[SIB_MAX_RANK];                              /* (n), >= 0 */
} window_spec;
mval m_windows(lowering *l, mval a, const window_spec *w, mval fill);

/* ---- Contraction, order, random ------------------------------------------------------------------------ */

mval m_matmul(lowering *l, mval a, mval b); /* ranks >= 2, leading dims broadcast */
mval m_sort(lowering *l, mval a, int axis, bool descending, mval *indices);
mval m_lookup(lowering *l, mval a, mval list);
mval m_nonzero(lowering *l, mval a); /* int64 [rank, count], row-major; the count is known at run time */
/* ONNX Unique: values, first indices, inverse, counts. flat: of all elements; else slices along `axis`. */
void m_unique(lowering *l, mval a, int axis, bool flat, bool sorted, mval out[4]);
mval m_random(lowering *l, milli_kind kind, sib_dtype dtype, int64_t seed, size_t rank, const dim *dims);

/* ---- Any milli-op -------------------------------------------------------------------------------------- */

/* Appends a milli-op with attributes, for the rows that have no function above. types: (n_out) of its
   outputs; out: (n_out). Attributes are copied. Unknown dims of a dynamic output are dim_fresh. */
void m_emit(lowering *l, milli_kind kind, size_t n_in, const mval *in, size_t n_attributes,
            const attribute *attributes, size_t n_out, const value_type *types, mval *out);
attribute attribute_int(const char *name, int64_t number);
attribute attribute_ints(const char *name, size_t n, const int64_t *values); /* borrowed until m_emit */
attribute attribute_str(const char *name, sib_str s);
/* A tensor type for m_emit. dims: (rank), DIM_NONE is replaced by a fresh one. */
value_type m_tensor_type(lowering *l, sib_dtype dtype, size_t rank, const dim *dims);

#endif
