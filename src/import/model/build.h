/* The functions that recipes call to write a graph of ONNX operators node by node, with the checkpoint's
   weights in it. A failure stays in the build: later calls do nothing and return NO_VALUE, so recipes need no
   checks. Weights that are missing or of the wrong shape go to the report, and building continues with
   placeholders, so that all are found.
   Shapes in comments: B batch, N new tokens, P past tokens, d width of a token, "[B, N, d]". */
#ifndef IMPORT_BUILD_H
#define IMPORT_BUILD_H

#include "import/model/report.h"
#include "import/model/source.h"
#include "import/model/work.h"
#include "onnx/onnx.h"

/* Opsets of ai.onnx that can be written. Gelu was added in the first; Attention, RMSNormalization and
   RotaryEmbedding in the last. */
#define BUILD_OPSET_FIRST 20
#define BUILD_OPSET_LAST  23

#define BUILD_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* A renamed part of weight names: `from` in a recipe's name is `to` in the checkpoint's. */
typedef struct build_rename {
    const char *from, *to;
} build_rename;

typedef struct build {
    const checkpoint *c;
    sib_import_report *report;
    import_work *work;
    onnx_model *m; /* the model under construction */
    graph *g;      /* m's graph, or a subgraph */
    int64_t opset;
    sib_dtype dtype;    /* of matrices: SIB_F32, SIB_F16, SIB_BF16, SIB_I8 */
    bool keep;          /* matrices stay as in the checkpoint where they can; dtype is of the others */
    const char *prefix; /* prefix of every name in the checkpoint; "" for none */
    const build_rename *renames; /* ends with a row of NULL; NULL for none */
    const char *const
        *ignored;        /* patterns of weights that the recipe leaves out; ends with NULL; NULL for none */
    source_list sources; /* sources of the weights' elements when they are written */
    const char *scope;   /* prefix of the names of nodes and values */
    bool *taken;         /* (weights of c) true for those that the recipe used */
    checkpoint *other;   /* that of build_enter_checkpoint, and what c and taken are behind it */
    const checkpoint *main;
    bool *main_taken;
    bool has_texts; /* the metadata have the texts of the outputs, and there is no tokenizer */
    uint32_t n_names;
    /* Whether a weight that is asked for again is the value that it was before, and those values, in the model's arena. */
    bool shares;
    struct build_kept *kept;
    value_id seen, seen_mask; /* before opset 23: what hides keys from queries, added to scores; its mask */
    sib_code code;            /* of the first failure */
    sib_error *err;
} build;

/* Starts an empty model, of the dtype and opset in work's options. build_end(b), also where it fails. Errors:
   SIB_ERR_MEMORY. */
sib_code build_begin(build *b, const checkpoint *c, sib_import_report *report, import_work *work,
                     sib_error *err);
/* Reports the weights that were never used. */
void build_finish(build *b);
/* Frees everything, the model too. */
void build_end(build *b);

/* Ends the build with an error. */
void build_fail(build *b, sib_code code, const char *format, ...) BUILD_PRINTF(3, 4);
/* A text that lives as long as the model; "" after a failure. */
const char *build_text(build *b, const char *format, ...) BUILD_PRINTF(2, 3);
/* Names the following nodes "<scope>/Type_7". */
void build_scope(build *b, const char *format, ...) BUILD_PRINTF(2, 3);
/* Adds an entry to the model's metadata. */
void build_add_metadata(build *b, const char *key, const char *format, ...) BUILD_PRINTF(3, 4);

/* The same for a text of any length, which is copied. */
void build_add_metadata_text(build *b, const char *key, sib_str text);

void build_add_metadata_int(build *b, const char *key, int64_t number);
/* The metadata under a key, as a number; `otherwise` where there is none. */
int64_t build_metadata_int(const build *b, const char *key, int64_t otherwise);

/* ---- What the checkpoint has -------------------------------------------------------------------------- */

/* Names end in "#3" for part 3 along a weight's first axis, wherever weights are made values.
   The weight that a recipe calls `name`, or NULL. Only build_weight and the like mark it as used. */
const weight *build_find(const build *b, const char *name);
/* A fact as text or bool; `otherwise` where there is none of that kind. */
sib_str build_fact_text(const build *b, const char *key, const char *otherwise);
bool build_fact_bool(const build *b, const char *key, bool otherwise);
/* The same for an integer; one that is out of range fails. */
int64_t build_fact_int(build *b, const char *key, int64_t otherwise, int64_t min, int64_t max);
/* A file of JSON next to the checkpoint; NULL where there is none, or after a failure. json_decref. */
struct json_t *build_beside(build *b, const char *name);
/* The same for a file or folder with weights. checkpoint_free. */
checkpoint *build_open_beside(build *b, const char *name);
/* Makes another checkpoint, which it takes over, the one whose weights and facts are read, until build_leave_checkpoint; it lives
   as long as the build, which has room for one. */
void build_enter_checkpoint(build *b, checkpoint *c);
/* Reports the weights that were never used, apart from those of patterns that end with a NULL. */
void build_leave_checkpoint(build *b, const char *const *patterns);
/* Dim i of a weight; 0 for a missing weight, which is reported. */
int64_t build_dim(build *b, const char *name, size_t i);
/* The number of weights named before + i + after, i from 0: "encoder.blocks.3.attn.query.weight". */
int64_t build_count(const build *b, const char *before, const char *after);
/* r of a matrix [n, r] or [r, n]; 0, and a problem in the report, for other dims. */
int64_t build_other_dim(build *b, const char *name, int64_t n);

/* ---- Ends --------------------------------------------------------------------------------------------- */

/* dims: numbers, symbols and sums of them, separated by blanks: "B %d P+N 64". */
value_id build_input(build *b, const char *name, sib_dtype dtype, const char *dims, ...) BUILD_PRINTF(4, 5);
void build_output(build *b, value_id x, const char *name, sib_dtype dtype, const char *dims, ...)
    BUILD_PRINTF(5, 6);

/* ---- Constants ---------------------------------------------------------------------------------------- */

value_id build_ints(build *b, size_t n, const int64_t *ints);   /* int64 [n] */
value_id build_int(build *b, int64_t number);                   /* int64 [1] */
value_id build_scalar_int(build *b, int64_t number);            /* int64 [] */
value_id build_floats(build *b, size_t n, const float *floats); /* float32 [n] */
value_id build_float(build *b, double number);                  /* float32 [] */

/* A weight of these dims (apart from dims of 1) as float32. */
value_id build_weight(build *b, const char *name, size_t rank, const int64_t *dims);
value_id build_vector(build *b, const char *name, int64_t n);
/* The same for a vector whose heads have their halves interleaved (see build_matrix). */
value_id build_vector_of_heads(build *b, const char *name, int64_t n, int64_t heads);
/* The same for rows of heads [heads, size]; permuted: 0, or `heads` where they are interleaved. */
value_id build_heads(build *b, const char *name, int64_t heads, int64_t size, int64_t permuted);

/* ---- Nodes -------------------------------------------------------------------------------------------- */

typedef struct build_attributes {
    size_t n;
    attribute items[8];
} build_attributes;
build_attributes build_no_attributes(void);
void build_set_int(build_attributes *a, const char *name, int64_t i);
void build_set_float(build_attributes *a, const char *name, double f);
void build_set_text(build_attributes *a, const char *name, const char *text);              /* borrowed */
void build_set_ints(build_attributes *a, const char *name, size_t n, const int64_t *ints); /* borrowed */
void build_set_graph(build_attributes *a, const char *name, graph *g);

/* Adds a node; out: (n_out) its outputs. a: may be NULL. */
void build_node(build *b, const char *type, const build_attributes *a, size_t n_in, const value_id *in,
                size_t n_out, value_id *out);
/* DequantizeBlocks of ai.sibyl: the elements of blocks of this format, uint8 [..., bytes of a row]. */
value_id build_blocks(build *b, value_id x, const char *format, bool transposed);
/* Nodes of one output, without attributes. */
value_id build_1(build *b, const char *type, value_id x);
value_id build_2(build *b, const char *type, value_id x, value_id y);
value_id build_3(build *b, const char *type, value_id x, value_id y, value_id z);

value_id build_add(build *b, value_id x, value_id y);
value_id build_mul(build *b, value_id x, value_id y);
value_id build_sub(build *b, value_id x, value_id y);
value_id build_cast(build *b, value_id x, sib_dtype to);
/* dims: 0 keeps the dim, -1 is inferred. */
value_id build_reshape(build *b, value_id x, size_t rank, const int64_t *dims);
value_id build_transpose(build *b, value_id x, size_t rank, const int64_t *permutation);
value_id build_concat(build *b, int64_t axis, size_t n, const value_id *parts);
/* Splits into parts of equal size. */
void build_split(build *b, value_id x, int64_t axis, size_t n, value_id *parts);
/* Splits into parts of these sizes, (n). */
void build_split_as(build *b, value_id x, int64_t axis, size_t n, const int64_t *sizes, value_id *parts);
value_id build_gather(build *b, value_id x, value_id at, int64_t axis);
/* Elements begin (inclusive) to end of an axis, both int64 [1]. */
value_id build_slice(build *b, value_id x, value_id begin, value_id end, int64_t axis);
/* Dims first to first + n: int64 [n]. */
value_id build_shape(build *b, value_id x, int64_t first, size_t n);

/* ---- Subgraphs ---------------------------------------------------------------------------------------- */

/* Starts a subgraph of the current graph, which receives the nodes until build_leave. It must then become an
   attribute of a node, which frees it where the build fails. */
graph *build_enter(build *b);
void build_leave(build *b, graph *inside);
/* A value of the outer graph, in the subgraph. */
value_id build_captured(build *b, value_id outer);

/* ---- Layers ------------------------------------------------------------------------------------------- */

typedef enum build_layout {
    BUILD_ROWS_OUT,   /* weights [out, in], as PyTorch's Linear has them */
    BUILD_COLUMNS_OUT /* weights [in, out] */
} build_layout;

typedef enum build_bias { BUILD_NO_BIAS, BUILD_BIAS } build_bias;

/* x [..., in] to [..., out]: weights "<name>.weight", bias "<name>.bias". */
value_id build_linear(build *b, value_id x, const char *name, int64_t in, int64_t out, build_bias bias);
/* The matrix [in, out] of a product, from a weight in a layout; heads > 0: the rows of each head have its two
   halves interleaved. */
value_id build_matrix(build *b, const char *name, int64_t in, int64_t out, build_layout layout,
                      int64_t heads);

/* A table [n, d] whose rows tokens select, and which products use transposed. */
typedef struct build_table {
    value_id stored; /* as in the file: [n, d], or blocks, uint8 [n, bytes of a row] */
    value_id floats; /* float32 [n, d] */
    value_id scale;  /* int8: float32 [n], otherwise NO_VALUE */
    int64_t n, d;
    sib_dtype dtype;    /* of stored */
    const char *blocks; /* the format of its blocks, or NULL */
} build_table;
build_table build_rows_table(build *b, const char *name, int64_t n, int64_t d);
/* Rows of the table: [..., d] for tokens [...]. */
value_id build_pick(build *b, const build_table *t, value_id tokens);
/* x [B, M, d] times the transposed table: [B, M, n]. at: [M]. */
value_id build_scores(build *b, value_id x, const build_table *t, value_id at);

/* LayerNormalization or RMSNormalization over the last axis; bias: NO_VALUE for none. */
value_id build_norm(build *b, const char *type, value_id x, value_id scale, value_id bias, double epsilon);
/* LayerNormalization with "<name>.weight", "<name>.bias". */
value_id build_layer_norm(build *b, value_id x, const char *name, int64_t d, double epsilon);
/* The same without scale and bias. */
value_id build_plain_norm(build *b, value_id x, int64_t d, double epsilon);
/* LayerNormalization of x [B, n, T] over n, "<name>.weight", "<name>.bias"; without them where name is NULL. */
value_id build_norm_channels(build *b, value_id x, const char *name, int64_t n, double epsilon);
/* BatchNormalization of x [B, n, ..] by what training saw of each of n channels, "<name>.running_mean" and ".running_var". */
value_id build_batch_norm(build *b, value_id x, const char *name, int64_t n, double epsilon);
value_id build_gelu(build *b, value_id x, bool by_tanh);
/* cap tanh(x / cap); x where cap is 0. */
value_id build_capped(build *b, value_id x, double cap);
/* x * sigmoid(x) */
value_id build_silu(build *b, value_id x);

typedef enum build_activation {
    BUILD_SILU,
    BUILD_GELU,
    BUILD_GELU_TANH,
    BUILD_QUICK_GELU, /* x * sigmoid(1.702 x) */
    BUILD_RELU,
    BUILD_TANH
} build_activation;
value_id build_activate(build *b, build_activation kind, value_id x);
/* The activation of a name in config.json ("gelu_new"). Unknown names fail. */
build_activation build_activation_named(build *b, sib_str name);
/* A convolution along the last axis: "<name>.weight" [to, from / groups, kernel], or `weight` in its place, and with a bias
   "<name>.bias". */
typedef struct build_conv {
    const char *name;
    int64_t from, to, kernel, stride, groups;
    int64_t dilation;      /* from one of the kernel's elements to the next; 0: 1 */
    int64_t before, after; /* zeros on both sides */
    value_id weight;       /* NO_VALUE: the checkpoint's */
    bool bias;
} build_conv;
/* x [B, from, T] to [B, to, (T + before + after - dilation (kernel - 1) - 1) / stride + 1]. */
value_id build_conv_1d(build *b, value_id x, const build_conv *c);
/* The transposed one, of weights [from, to, kernel]: x [B, from, T] to [B, to, (T - 1) stride - before - after + kernel]. */
value_id build_conv_transposed(build *b, value_id x, const build_conv *c);
/* The weight "<name>.weight" of a convolution that was trained as a direction and lengths (Salimans & Kingma 2016), dims (3):
   g v / |v|, where g has a length for each index of `axis`. NO_VALUE where the checkpoint has the product. */
value_id build_normed_weight(build *b, const char *name, const int64_t *dims, size_t axis);
/* Kernel 1, with a bias: x [B, from, T] to [B, to, T]. */
value_id build_point(build *b, value_id x, const char *name, int64_t from, int64_t to);
/* x [B, from, T] to [B, to, T / stride], kernel 3, padded by 1. */
value_id build_conv3(build *b, value_id x, const char *name, int64_t from, int64_t to, int64_t stride);

/* A mixture of experts: each token is computed by `chosen` of n experts. */
typedef struct build_experts {
    const char *router; /* a weight [n, d] */
    int64_t n, chosen, d;
    bool normalized;               /* shares are divided by their sum over the chosen ones and `added` */
    bool sigmoid;                  /* each expert's score is of its own logit, otherwise the softmax of all */
    const char *biased;            /* a weight [n] that is added to scores for the choice alone; NULL: none */
    int64_t groups, chosen_groups; /* a token chooses from `chosen_groups` of them; groups 0 or 1: from all */
    double added, scale;           /* shares are multiplied by `scale` */
    const void *context;
    value_id (*expert)(build *b, const void *context, int64_t i,
                       value_id rows); /* [R, d] -> [R, d], R may be 0 */
} build_experts;
/* [B, N, d]: the sum of what the chosen experts make of x [B, N, d], times their shares. */
value_id build_mixture(build *b, value_id x, const build_experts *m);

/* ---- Positions ---------------------------------------------------------------------------------------- */

/* The new tokens follow the cached ones: past [B, heads, P, size], tokens [B, N]. */

/* Rows first + P to first + P + N of the weight [n, d]: [N, d]. */
value_id build_positions(build *b, const char *name, int64_t first, int64_t n, int64_t d, value_id tokens,
                         value_id past);

/* Rotary positions (Su et al. 2021): cosines and sines [B, N, half] of positions times angles. */
typedef struct build_rotary {
    value_id cos, sin;
    int64_t half;
    bool interleaved; /* elements 2 i and 2 i + 1 of a head are a pair, otherwise i and i + half */
} build_rotary;
/* Angles per position by pair of elements, and what they become in texts of more than `length` tokens, all positions of
   them. Keys that are cached already keep the angles that they have. */
typedef struct build_angles {
    float *inverse;   /* (half) */
    float *longer;    /* (half) in longer texts; NULL: the same, unless growth is above 0 */
    float *exponents; /* (half) inverse is theta to the power of minus these */
    double theta;
    double
        growth; /* > 0: in a text of n tokens theta times (growth n / length - growth + 1)^(half / (half - 1)) */
    int64_t length; /* tokens */
    double scale;   /* of cosines and sines */
} build_angles;
build_rotary build_cos_sin(build *b, value_id tokens, value_id past, const build_angles *a, size_t half);
/* x [B, N, heads * size], in which the pairs of each head are rotated; elements beyond 2 half stay. */
value_id build_rotate(build *b, value_id x, int64_t heads, int64_t size, const build_rotary *r);
/* Angles theta^(-i / half), scaled as config.json says under `at` ("rope_scaling"), or not where `at` is NULL; factors that
   GGUF has as weights are applied. n_ctx: positions that the model is for. Unknown kinds and numbers that give no angles
   fail. Source: modeling_rope_utils of transformers. */
build_angles build_rope(build *b, const char *at, double theta, size_t half, int64_t n_ctx);
/* Positions of the new tokens [N], and of all [P+N] (keys may be NULL); n: int64 [1], the number of new
   tokens; past: NO_VALUE for none. */
void build_position_ids(build *b, value_id n, value_id past, value_id *queries, value_id *keys);
/* The distance from each new token to each key, key - query: int64 [N, P+N]. past: NO_VALUE for none. */
value_id build_distances(build *b, value_id tokens, value_id past);
/* The bucket of each distance for learned biases (Raffel et al. 2020): int64 [N, P+N], from 0 to n_buckets - 1.
   both: keys after their query have buckets of their own; otherwise they are those of distance 0. */
value_id build_buckets(build *b, value_id distances, int64_t n_buckets, int64_t max_distance, bool both);
/* Rows of a table of int64, (2 n + 1), for distances of -n to n, and its ends' for others: int64 as distances. */
value_id build_by_distance(build *b, value_id distances, const int64_t *table, int64_t n);
/* Element at[i, k] of row i of x [1, heads, N, n], for at int64 [N, K]: [1, heads, N, K]. */
value_id build_at_places(build *b, value_id x, int64_t heads, value_id at);
/* Attention with linear biases (ALiBi, Press et al. 2022): to the score of a key the slope of the head is added, times the
   key's place counted from the last one, at most 0. */
typedef struct build_alibi {
    double
        max; /* slopes are 2^(-max i / n), for n the power of 2 that is not below the heads; 0: no biases */
    bool coarse;  /* places count from the first key, and are rounded to bfloat16, as slope and product are */
    double scale; /* of what is added */
} build_alibi;
/* float32 [1, heads, 1, P+N] */
value_id build_biases(build *b, value_id tokens, value_id past, int64_t heads, const build_alibi *a);
/* True for keys less than `window` before their query: bool [N, P+N]. */
value_id build_window(build *b, value_id tokens, value_id past, int64_t window);

/* ---- Attention ---------------------------------------------------------------------------------------- */

/* Attention of queries [B, N, heads * size] over keys and values [B, N, kv_heads * size], appended to a
   cache. */
typedef struct build_attention {
    value_id q, k, v;
    value_id past_k, past_v; /* [B, kv_heads, P, size]; NO_VALUE for none */
    int64_t size;            /* width of a head */
    int64_t value_size;      /* the same of values, and of what it makes; 0: size */
    int64_t heads, kv_heads; /* 0: q, k and v are [B, heads, N, size] already */
    bool causal;             /* only with a cache */
    value_id mask; /* the keys that a query sees: bool that broadcasts to [B, heads, N, P+N]; NO_VALUE: all */
    bool mask_added;               /* the mask is float32 and added to the scores */
    double scale;                  /* of queries times keys; 0: 1 / sqrt(size) */
    double cap;                    /* scores become cap tanh(score / cap); 0: no cap */
    value_id present_k, present_v; /* out: the cache with the new rows */
} build_attention;
/* [B, N, heads * size] */
value_id build_attend(build *b, build_attention *a);

/* The cache of layer i: inputs "past_k.i", "past_v.i" [B, kv_heads, P, size]. */
void build_cache(build *b, int64_t layer, int64_t kv_heads, int64_t size, build_attention *a);
/* Its outputs "present_k.i", "present_v.i" [B, kv_heads, P+N, size]. */
void build_cached(build *b, int64_t layer, int64_t kv_heads, int64_t size, const build_attention *a);

#endif
