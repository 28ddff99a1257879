/* Random graphs, built node by node; ref computes each value when it is added, so dims and elements are
   always known. The entire graph then runs on another backend, is compared, and is shrunk where the results
   differ. */
#ifndef TESTS_BACKEND_RANDOM_GRAPH_H
#define TESTS_BACKEND_RANDOM_GRAPH_H

#include "check.h"
#include "ops/case.h"

#include <sibyl/session.h>

#define RG_VALUES 160
#define RG_NODES  48
#define RG_IN     16
#define RG_OUT    8
#define RG_NONE   (-1)

typedef struct rg_value {
    sib_tensor *t; /* its value on ref; owned */
    int maker;     /* node that makes it, RG_NONE for inputs and constants */
    bool constant; /* an initializer */
    bool output;   /* of the graph */
    bool dropped;  /* by shrinking */
} rg_value;

typedef struct rg_node {
    sib_str domain, type;
    int64_t version;
    size_t n_attributes;
    attribute *attributes; /* (n_attributes) in the graph's arena */
    int n_in, n_out;
    int in[RG_IN], out[RG_OUT]; /* value numbers, RG_NONE for omitted ones */
    bool exact;                 /* it rounds nothing: any difference is an error */
    bool dropped;
    sib_session *alone; /* a session on ref of this node alone, for its current dims; NULL until needed */
} rg_node;

typedef struct rg_graph {
    graph_arena *arena;
    int64_t opset;
    bool symbolic; /* inputs are declared with symbols */
    int n_values, n_nodes;
    rg_value values[RG_VALUES];
    rg_node nodes[RG_NODES];
    const op_case *from; /* the case that it was made from, for attributes that are graphs; or NULL */
    char label[200];     /* what it is and how to reproduce it */
} rg_graph;

/* ---- Random numbers (draw.c) --------------------------------------------------------------------------- */

typedef check_random rg_random;

/* 0 .. n - 1 */
int rg_below(rg_random *r, int n);
/* True with a probability of percent / 100. */
bool rg_chance(rg_random *r, int percent);
/* A size, often 0, 1 or close to the width of a vector, up to max. */
int64_t rg_size(rg_random *r, int64_t max);

typedef enum rg_profile {
    RG_GENTLE,   /* within a few units of 0 */
    RG_POSITIVE, /* 0.1 .. 2 */
    RG_UNIT,     /* -1 .. 1 */
    RG_INTEGER,  /* small integers */
    RG_WIDE,     /* many magnitudes */
    RG_STRANGE,  /* gentle, with NaN, infinities, -0 and denormals among them */
    RG_SPECIAL,  /* strange, and the largest numbers */
    RG_ANY       /* one of the above, most often the first */
} rg_profile;

/* A tensor of random elements. Integers span the range of their dtype for RG_WIDE and RG_SPECIAL and are
   small otherwise. Returns NULL if it cannot be made. */
sib_tensor *rg_tensor(rg_random *r, sib_dtype dtype, size_t rank, const int64_t *dims, rg_profile profile);

/* ---- Graphs (graph.c) ---------------------------------------------------------------------------------- */

bool rg_begin(rg_graph *g);
void rg_clear(rg_graph *g);

/* Adds an input or constant and takes ownership of t. Returns RG_NONE if there is no room or t is NULL. */
int rg_leaf(rg_graph *g, sib_tensor *t, bool constant);

/* Adds a node and its results on ref. type: "Conv", or "com.microsoft:FusedConv". attributes: in the syntax
   of the cases. in: (n_in) values. Returns false, with the graph unchanged, if ref rejects it, or an output
   is no tensor or has more than `max` elements. */
bool rg_add(rg_graph *g, const char *type, const char *attributes, int n_in, const int *in, int n_out,
            uint64_t max);
/* The same with attributes that exist already. */
bool rg_add_node(rg_graph *g, const rg_node *n, uint64_t max);

/* A model of the entire graph or, if `which` is not RG_NONE, of one node all of whose inputs are graph
   inputs. */
sib_code rg_model(const rg_graph *g, int which, sib_model **out, sib_error *err);

/* Runs one node on ref. in: (RG_VALUES) tensors by number of value. out: (RG_OUT) owned by the caller, all
   NULL if it fails. */
bool rg_run_node(rg_graph *g, int which, sib_tensor *const *in, sib_tensor **out);

/* Recomputes all values from the inputs and constants. Returns false if a node is rejected. */
bool rg_evaluate(rg_graph *g);
/* Frees sessions that were made for other dims. */
void rg_forget(rg_graph *g);

/* Drops nodes and values that no output needs. */
void rg_sweep(rg_graph *g);
/* Number of nodes that are not dropped. */
int rg_count(const rg_graph *g);

/* Returns true if the operator rounds nothing. */
bool rg_is_exact(sib_str type);

/* Copies structure and tensors; the arena is shared, so `from` must outlive `to`, which must be cleared
   first. */
bool rg_copy(rg_graph *to, const rg_graph *from);

/* ---- Makers -------------------------------------------------------------------------------------------- */

/* Adds random nodes until there are `nodes`, and marks outputs. dtype: of most floats. */
bool rg_make(rg_graph *g, rg_random *r, int nodes, bool big);

/* Passed to every maker (make.c). */
typedef struct rg_maker {
    rg_graph *g;
    rg_random *r;
    sib_dtype dtype; /* of most values */
    uint64_t max;    /* max elements of a value */
} rg_maker;
typedef struct rg_want {
    bool (*fits)(const sib_tensor *t); /* or NULL */
    int least_rank, most_rank;
} rg_want;
const sib_tensor *rg_of(const rg_maker *m, int v);
bool rg_is_float(const sib_tensor *t); /* a half, single or double */
bool rg_is_tame(const sib_tensor *t);  /* a float, of which sums of elements and of squares stay finite */
bool rg_is_bool(const sib_tensor *t);
bool rg_is_integer(const sib_tensor *t);
/* A value that fits, recent ones more often; a new one of the maker's dtype if there is none and want is for
   floats. */
int rg_pick(const rg_maker *m, const rg_want *want);
int rg_new(const rg_maker *m, sib_dtype dtype, size_t rank, const int64_t *dims, rg_profile profile);
/* A constant of n int64 that controls an operator. */
int rg_ints(const rg_maker *m, size_t n, const int64_t *values);
/* dims that broadcast against those of t, in order. Returns the rank. */
size_t rg_broadcastable(const rg_maker *m, const sib_tensor *t, int64_t *dims);
bool rg_put(const rg_maker *m, const char *type, const char *attributes, int n_in, const int *in, int n_out);
/* Text such as "[1,2]". */
const char *rg_list(char *text, size_t size, size_t n, const int64_t *values);

typedef bool (*rg_make_function)(const rg_maker *m);
typedef struct rg_row {
    int weight;
    rg_make_function make;
} rg_row;
/* Tables end with weight 0. */
extern const rg_row rg_elementwise[], rg_layout[], rg_rows[], rg_matrix[], rg_windows[], rg_others[],
    rg_quantized[];

/* ---- Mutated cases (cases.c) --------------------------------------------------------------------------- */

/* A graph of the one node of a case, with dims and elements changed such that ref still accepts it. Returns
   false if the case is not suitable. */
bool rg_from_case(rg_graph *g, const op_case *c, rg_random *r);

/* ---- Checking (compare.c, noise.c) -------------------------------------------------------------------- */

typedef struct rg_config {
    const char *name, *backends, *passes;
    unsigned threads;
} rg_config;
extern const rg_config rg_configs[];
extern const size_t rg_n_configs;

typedef struct rg_failure {
    int config; /* index in rg_configs */
    int value;  /* output that differs, RG_NONE if the run failed */
    char words[SIB_MESSAGE_SIZE + 60];
} rg_failure;

/* How far results may be from ref's: the change when every rounding is perturbed a little. */
typedef struct rg_noise {
    double *by;     /* (elements of the value) */
    bool *unstable; /* (elements): it jumps; not compared */
    bool lost;      /* the entire value is unstable */
    bool rounded;   /* a rounding affects it */
} rg_noise;
/* noise: (RG_VALUES), to be freed by rg_noise_clear. More rounds give better estimates. */
bool rg_noise_find(rg_graph *g, rg_random *r, int rounds, rg_noise *noise);
void rg_noise_clear(rg_noise *noise);
/* Returns false, with the place in words, if got differs from want by more than the noise allows. */
bool rg_noise_allows(const rg_noise *s, const sib_tensor *got, const sib_tensor *want, char *words,
                     size_t size);

/* Runs the graph in every configuration (only: that one, -1 for all). Returns true if all agree with ref. */
bool rg_check(rg_graph *g, uint64_t seed, int only, rg_failure *out);

/* Shrinks g while it fails in the same configuration. */
void rg_shrink(rg_graph *g, uint64_t seed, rg_failure *failure);

/* ---- Output (text.c) ----------------------------------------------------------------------------------- */

void rg_print(const rg_graph *g, FILE *out);
/* Saves model.onnx and test_data_set_0 into a folder, for `sibyl conform`. */
bool rg_save(const rg_graph *g, const char *folder);

#endif
