/* The words that recipes are written with: a graph of ONNX operators made node by node, and the checkpoint's weights in it.

   A failure stays in the build: what is called after it does nothing and gives NO_VALUE, so recipes need not ask. Weights
   that are missing or of the wrong shape go to the report, and building goes on with their like, so that all are found.

   Shapes in comments: B batches, N new tokens, P past ones, d numbers of a token, "[B, N, d]". */
#ifndef IMPORT_BUILD_H
#define IMPORT_BUILD_H

#include "import/report.h"
#include "import/source.h"
#include "import/work.h"
#include "onnx/onnx.h"

/* Opsets of ai.onnx that can be written: Gelu came with the first, Attention, RMSNormalization and RotaryEmbedding with the
   last. */
#define BUILD_OPSET_FIRST 20
#define BUILD_OPSET_LAST  23

#define BUILD_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Another name for a part of a weight's name: wherever `from` stands in a recipe's name, `to` stands in the checkpoint's. */
typedef struct build_rename {
    const char *from, *to;
} build_rename;

typedef struct build {
    const checkpoint *c;
    sib_import_report *report;
    import_work *work;
    onnx_model *m; /* being made */
    graph *g;      /* m's, or one inside it */
    int64_t opset;
    sib_dtype dtype;             /* of matrices: SIB_F32, SIB_F16, SIB_BF16, SIB_I8 */
    const char *prefix;          /* before every name in the checkpoint; "" for none */
    const build_rename *renames; /* ends with a row of NULL; NULL for none */
    const char *const
        *ignored; /* patterns of weights that the recipe knows and leaves; ends with NULL; NULL for none */
    source_list sources; /* where weights come from when they are written */
    const char *scope;   /* before the names of nodes and values */
    bool *taken;         /* (weights of c) */
    uint32_t n_names;
    value_id seen,
        seen_mask; /* before opset 23: what is added to hide keys from queries, and the mask in it */
    sib_code code; /* of the first failure */
    sib_error *err;
} build;

/* An empty model, of the dtype and opset that work's options say. Ended with build_end, also where it fails. Errors: SIB_ERR_MEMORY. */
sib_code build_begin(build *b, const checkpoint *c, sib_import_report *report, import_work *work,
                     sib_error *err);
/* Reports what was never asked for. */
void build_finish(build *b);
/* Frees it all, the model too. */
void build_end(build *b);

/* Ends the build with an error. */
void build_fail(build *b, sib_code code, const char *format, ...) BUILD_PRINTF(3, 4);
/* A text that lives as long as the model; "" after a failure. */
const char *build_text(build *b, const char *format, ...) BUILD_PRINTF(2, 3);
/* From here on nodes are named "<scope>/Type_7". */
void build_scope(build *b, const char *format, ...) BUILD_PRINTF(2, 3);
/* Says something in the model's metadata. */
void build_say(build *b, const char *key, const char *format, ...) BUILD_PRINTF(3, 4);

void build_say_int(build *b, const char *key, int64_t number);
/* What was said under a key, as a number; `otherwise` where nothing was. */
int64_t build_said_int(const build *b, const char *key, int64_t otherwise);

/* ---- What the checkpoint has -------------------------------------------------------------------------- */

/* The weight that a recipe calls `name`, or NULL. Counts as taken only with build_weight and its kin. */
const weight *build_find(const build *b, const char *name);
/* Facts: a text, a truth, `otherwise` where there is none of that kind. */
sib_str build_told_text(const build *b, const char *key, const char *otherwise);
bool build_told_bool(const build *b, const char *key, bool otherwise);
/* Dim i of a weight; 0, and the weight is reported as missing, where there is none. */
int64_t build_dim(build *b, const char *name, size_t i);
/* How many of pattern's weights there are, from 0 on: "encoder.blocks.%d.attn.query.weight". */
int64_t build_count(const build *b, const char *before, const char *behind);
/* Of a matrix [n, r] or [r, n]: r. 0, and a word to the report, where it is neither. */
int64_t build_other_dim(build *b, const char *name, int64_t n);

/* ---- Ends --------------------------------------------------------------------------------------------- */

/* dims: blanks between numbers, symbols and sums of them: "B %d P+N 64". */
value_id build_input(build *b, const char *name, sib_dtype dtype, const char *dims, ...) BUILD_PRINTF(4, 5);
void build_output(build *b, value_id v, const char *name, sib_dtype dtype, const char *dims, ...)
    BUILD_PRINTF(5, 6);

/* ---- Constants ---------------------------------------------------------------------------------------- */

value_id build_ints(build *b, size_t n, const int64_t *ints);   /* int64 [n] */
value_id build_int(build *b, int64_t number);                   /* int64 [1] */
value_id build_whole(build *b, int64_t number);                 /* int64 [] */
value_id build_floats(build *b, size_t n, const float *floats); /* float32 [n] */
value_id build_float(build *b, double number);                  /* float32 [] */

/* A weight of these dims (dims of 1 may be more or fewer) as float32. */
value_id build_weight(build *b, const char *name, size_t rank, const int64_t *dims);
value_id build_vector(build *b, const char *name, int64_t n);
/* The same, whose halves of heads stand interleaved, as build_matrix takes them. */
value_id build_vector_of_heads(build *b, const char *name, int64_t n, int64_t heads);

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

/* A node; out: (n_out) its values. a: may be NULL. */
void build_node(build *b, const char *type, const build_attributes *a, size_t n_in, const value_id *in,
                size_t n_out, value_id *out);
/* Nodes of one output, without attributes. */
value_id build_1(build *b, const char *type, value_id x);
value_id build_2(build *b, const char *type, value_id x, value_id y);
value_id build_3(build *b, const char *type, value_id x, value_id y, value_id z);

value_id build_add(build *b, value_id x, value_id y);
value_id build_mul(build *b, value_id x, value_id y);
value_id build_sub(build *b, value_id x, value_id y);
value_id build_cast(build *b, value_id x, sib_dtype to);
/* dims: 0 keeps, -1 is what is left. */
value_id build_reshape(build *b, value_id x, size_t rank, const int64_t *dims);
value_id build_transpose(build *b, value_id x, size_t rank, const int64_t *permutation);
value_id build_concat(build *b, int64_t axis, size_t n, const value_id *parts);
/* Parts of equal size. */
void build_split(build *b, value_id x, int64_t axis, size_t n, value_id *parts);
value_id build_gather(build *b, value_id x, value_id at, int64_t axis);
/* Elements begin (inclusive) to end of an axis, both int64 [1]. */
value_id build_slice(build *b, value_id x, value_id begin, value_id end, int64_t axis);
/* Dims from first on, `n` of them: int64 [n]. */
value_id build_shape(build *b, value_id x, int64_t first, size_t n);

/* ---- Graphs inside ------------------------------------------------------------------------------------ */

/* A graph inside the current one, which nodes go to until build_leave; then it must be an attribute of a node, which
   frees it where the build fails. */
graph *build_enter(build *b);
void build_leave(build *b, graph *inside);
/* A value of the graph around, inside. */
value_id build_captured(build *b, value_id outer);

/* ---- Layers ------------------------------------------------------------------------------------------- */

typedef enum build_layout {
    BUILD_ROWS_OUT,   /* weights [out, in], as PyTorch's Linear has them */
    BUILD_COLUMNS_OUT /* weights [in, out] */
} build_layout;

typedef enum build_bias { BUILD_NO_BIAS, BUILD_BIAS } build_bias;

/* x [..., in] to [..., out]: weights "<name>.weight", bias "<name>.bias". */
value_id build_linear(build *b, value_id x, const char *name, int64_t in, int64_t out, build_bias bias);
/* The matrix [in, out] of a product, from a weight in a layout; heads: > 0 for rows that stand with the two halves of
   each head interleaved. */
value_id build_matrix(build *b, const char *name, int64_t in, int64_t out, build_layout layout,
                      int64_t heads);

/* A table [n, d] of rows that tokens pick, and that products use turned. */
typedef struct build_table {
    value_id stored; /* as in the file */
    value_id floats; /* float32 [n, d] */
    value_id scale;  /* int8: float32 [n], else NO_VALUE */
    int64_t n, d;
} build_table;
build_table build_rows_table(build *b, const char *name, int64_t n, int64_t d);
/* Rows of the table: [..., d] for tokens [...]. */
value_id build_pick(build *b, const build_table *t, value_id tokens);
/* x [B, M, d] times the table turned: [B, M, n]. at: [M]. */
value_id build_scores(build *b, value_id x, const build_table *t, value_id at);

/* "<name>.weight", "<name>.bias" over the last axis. */
value_id build_layer_norm(build *b, value_id x, const char *name, int64_t d, double epsilon);
/* The same without scale and bias. */
value_id build_plain_norm(build *b, value_id x, int64_t d, double epsilon);
value_id build_rms_norm(build *b, value_id x, const char *name, int64_t d, double epsilon);
value_id build_gelu(build *b, value_id x, bool by_tanh);
/* x * sigmoid(x) */
value_id build_silu(build *b, value_id x);
/* x [B, from, T] to [B, to, T / stride], kernel 3, padded by 1. */
value_id build_conv3(build *b, value_id x, const char *name, int64_t from, int64_t to, int64_t stride);

/* ---- Positions ---------------------------------------------------------------------------------------- */

/* The new tokens stand behind what is cached: past [B, heads, P, size], tokens [B, N]. */

/* Rows P to P + N of the weight [n, d]: [N, d]. */
value_id build_positions(build *b, const char *name, int64_t n, int64_t d, value_id tokens, value_id past);

/* Rotary positions (Su et al. 2021): cosines and sines [B, N, half] of position times inverse (half). */
typedef struct build_rotary {
    value_id cos, sin;
    int64_t half;
} build_rotary;
build_rotary build_turns(build *b, value_id tokens, value_id past, const float *inverse, size_t half);
/* x [B, N, heads * size], numbers i and i + half of each head turned together. */
value_id build_turn(build *b, value_id x, int64_t heads, const build_rotary *r);
/* What rope_scaling of a config.json makes of turns (half). Kinds that are not known fail. */
void build_rope_scaling(build *b, float *turns, size_t half);
/* Numbers of the new tokens [N] and of all [P+N], which may be NULL; n: int64 [1], how many are new. */
void build_places(build *b, value_id n, value_id past, value_id *queries, value_id *keys);
/* Keys that are less than `window` behind their query: bool [N, P+N]. */
value_id build_window(build *b, value_id tokens, value_id past, int64_t window);

/* ---- Attention ---------------------------------------------------------------------------------------- */

/* Attention of queries [B, N, heads * size] over keys and values [B, N, kv_heads * size] behind a cache. */
typedef struct build_attention {
    value_id q, k, v;
    value_id past_k, past_v;       /* [B, kv_heads, P, size]; NO_VALUE for none */
    int64_t size;                  /* numbers of a head */
    int64_t heads, kv_heads;       /* 0: q, k and v are [B, heads, N, size] already */
    bool causal;                   /* with a cache alone */
    value_id mask;                 /* bool [N, P+N]: which keys are seen; NO_VALUE: all */
    value_id present_k, present_v; /* out: with the new rows */
} build_attention;
/* [B, N, heads * size] */
value_id build_attend(build *b, build_attention *a);

/* The cache of layer i: inputs "past_k.i", "past_v.i" [B, kv_heads, P, size]. */
void build_cache(build *b, int64_t layer, int64_t kv_heads, int64_t size, build_attention *a);
/* Its outputs "present_k.i", "present_v.i" [B, kv_heads, P+N, size]. */
void build_cached(build *b, int64_t layer, int64_t kv_heads, int64_t size, const build_attention *a);

#endif
