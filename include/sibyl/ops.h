/* Operators as plain calls: tensors in, tensors out, computed by the lowering and the kernels that a model's
   node of the operator has. */
#ifndef SIBYL_OPS_H
#define SIBYL_OPS_H

#include <sibyl/graph.h>
#include <sibyl/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Operators made ready for calls, and the threads that run them. The first call of an operator with these
   attributes, element types and ranks makes it ready (some 100 us); the context keeps the ones used last,
   and for each what it planned for the dims of its calls. Threads may share a context. */
typedef struct sib_ops sib_ops;

struct sib_registry;

typedef struct sib_ops_options {
    const char *backends;          /* as in sib_session_options; NULL: all, fastest first */
    unsigned threads;              /* 0: one per processor that this process may use */
    sib_pool *pool;                /* threads to share: borrowed, must outlive the context; NULL: its own */
    unsigned max_operators;        /* kept ready at once; 0: 256 */
    struct sib_registry *registry; /* operators and backends of the caller's (extend.h), registered before the
                                      first call; the context keeps it alive; NULL: none */
} sib_ops_options;

/* options: NULL means all zero. out: owned by the caller, sib_ops_free(&ops), when no call runs.
   Errors: SIB_ERR_MEMORY. */
SIB_API sib_code sib_ops_create(const sib_ops_options *options, sib_ops **out, sib_error *err);
SIB_API void sib_ops_free(sib_ops **ops);

/* ---- Any operator ---------------------------------------------------------------------------------- */

typedef struct sib_op {
    const char *domain, *type; /* domain NULL or "": ai.onnx */
    int64_t version;           /* opset of the domain; 0: 24 for ai.onnx, 5 for ai.onnx.ml, 1 for others */
    size_t n_attributes;
    const sib_attribute *attributes; /* (n_attributes) as sib_build_add takes them */
} sib_op;

/* Computes an operator.
   inputs:  (n_inputs) tensors, only read, at the place where they are; NULL for an omitted one.
   outputs: (n_outputs) receives values owned by the caller, in memory of their own; all NULL after a failure.
            n_outputs: how many of the operator's outputs are wanted, from the first on.
   Thread-safe.
   Errors: SIB_ERR_UNSUPPORTED (an operator that Sibyl does not have; an input that is no tensor),
   SIB_ERR_ARGUMENT and SIB_ERR_VALUE as the operator says them, with the operator and what does not fit;
   SIB_ERR_MEMORY. */
SIB_API sib_code sib_ops_call(sib_ops *ops, const sib_op *op, size_t n_inputs, const sib_value *const *inputs,
                              size_t n_outputs, sib_value **outputs, sib_error *err);

/* ---- Some operators, with tensors ------------------------------------------------------------------- */

/* Element types: float32, float16, bfloat16 and float64, one for all tensors of a call unless said otherwise.
   out: owned by the caller, NULL after a failure. Thread-safe. Errors: those of sib_ops_call. */

/* a [..., m, k] by b [..., k, n] = [..., m, n], with NumPy's broadcasting and rank 1 as in numpy.matmul.
   Integers too. ONNX MatMul-13. */
SIB_API sib_code sib_op_matmul(sib_ops *ops, const sib_tensor *a, const sib_tensor *b, sib_tensor **out,
                               sib_error *err);

/* e^x / sum of e^x along an axis, which may be negative. ONNX Softmax-13. */
SIB_API sib_code sib_op_softmax(sib_ops *ops, const sib_tensor *x, int64_t axis, sib_tensor **out,
                                sib_error *err);

/* x (1 + erf(x / sqrt 2)) / 2, or with by_tanh x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.
   ONNX Gelu-20. */
SIB_API sib_code sib_op_gelu(sib_ops *ops, const sib_tensor *x, bool by_tanh, sib_tensor **out,
                             sib_error *err);

/* (x - mean) / sqrt(variance + epsilon) * scale + bias over the axes from `axis` on, which may be negative.
   scale, bias: the dims of x from axis on, or what broadcasts to them; bias may be NULL.
   ONNX LayerNormalization-17. */
SIB_API sib_code sib_op_layer_norm(sib_ops *ops, const sib_tensor *x, const sib_tensor *scale,
                                   const sib_tensor *bias, int64_t axis, double epsilon, sib_tensor **out,
                                   sib_error *err);

/* x / sqrt(mean of x^2 + epsilon) * scale, likewise. ONNX RMSNormalization-23. */
SIB_API sib_code sib_op_rms_norm(sib_ops *ops, const sib_tensor *x, const sib_tensor *scale, int64_t axis,
                                 double epsilon, sib_tensor **out, sib_error *err);

/* How the pairs of a head are rotated. */
typedef struct sib_rotary_options {
    bool interleaved;  /* pairs are neighbours; otherwise element i and the one half of the rotated part on */
    int64_t num_heads; /* needed where x has rank 3 */
    int64_t rotated_dims; /* of a head, from its first element on; 0: all */
} sib_rotary_options;

/* Rotates x [batch, heads, sequence, head] or [batch, sequence, heads * head] by the angles whose cos and sin
   are [positions, rotated / 2] with position_ids, int64 [batch, sequence], or [batch, sequence, rotated / 2]
   with position_ids NULL. options: NULL means all zero. ONNX RotaryEmbedding-23. */
SIB_API sib_code sib_op_rotary(sib_ops *ops, const sib_tensor *x, const sib_tensor *cos,
                               const sib_tensor *sin, const sib_tensor *position_ids,
                               const sib_rotary_options *options, sib_tensor **out, sib_error *err);

/* Windows of a convolution: (rank of x - 2) numbers each; NULL for 1, or 0 as padding. */
typedef struct sib_conv_options {
    const int64_t *strides, *dilations;
    const int64_t *pads; /* twice as many: zeros before each axis, then after each */
    int64_t groups;      /* 0: 1 */
} sib_conv_options;

/* Cross-correlation of x [batch, channels, size...] with w [out, channels / groups, kernel...], plus bias
   [out], which may be NULL: one to three axes. options: NULL means the defaults. ONNX Conv-11. */
SIB_API sib_code sib_op_conv(sib_ops *ops, const sib_tensor *x, const sib_tensor *w, const sib_tensor *bias,
                             const sib_conv_options *options, sib_tensor **out, sib_error *err);

typedef struct sib_attention_options {
    const sib_tensor *mask;    /* bool (false: not seen) or the type of q, added to the scores; broadcasts to
                               [batch, heads, queries, keys]; NULL: none */
    bool is_causal;            /* query i sees keys up to i */
    double scale;              /* of the scores; 0: 1 / sqrt(width of a head) */
    double softcap;            /* scores become softcap * tanh(score / softcap) before the mask; 0: none */
    int64_t q_heads, kv_heads; /* needed where q, k and v have rank 3 */
} sib_attention_options;

/* softmax(scale q k^T + mask) v. q [batch, heads, queries, head], k and v [batch, kv heads, keys, ...], where
   heads is a multiple of kv heads and each of these serves as many in a row; or of rank 3, [batch, queries,
   heads * head]. The result is laid out as q. options: NULL means all zero. ONNX Attention-23. */
SIB_API sib_code sib_op_attention(sib_ops *ops, const sib_tensor *q, const sib_tensor *k, const sib_tensor *v,
                                  const sib_attention_options *options, sib_tensor **out, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
