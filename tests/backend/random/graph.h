/* Random graphs: made node by node, each value computed by ref as it is made, so that dims and elements are always known;
   then run whole on another backend and compared, and made smaller where they differ. */
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
    sib_tensor *t; /* what ref makes of it; owned */
    int maker;     /* node, RG_NONE for inputs and constants */
    bool constant; /* an initializer */
    bool output;   /* of the whole graph */
    bool dropped;  /* by shrinking */
} rg_value;

typedef struct rg_node {
    sib_str domain, type;
    int64_t version;
    size_t n_attributes;
    attribute *attributes; /* (n_attributes) in the graph's arena */
    int n_in, n_out;
    int in[RG_IN], out[RG_OUT]; /* values, RG_NONE for what is left out */
    bool exact;                 /* no rounding in it: any difference is wrong */
    bool dropped;
    sib_session *alone; /* this node alone on ref, for the dims it has; NULL until it is asked for */
} rg_node;

typedef struct rg_graph {
    graph_arena *arena;
    int64_t opset;
    bool symbolic; /* inputs are declared with symbols */
    int n_values, n_nodes;
    rg_value values[RG_VALUES];
    rg_node nodes[RG_NODES];
    const op_case *from; /* the case that it was made of, for attributes that are graphs; or NULL */
    char label[200];     /* what it is and how to make it again */
} rg_graph;

/* ---- Random numbers (draw.c) ------------------------------------------------------------------------------ */

typedef check_random rg_random;

/* 0 .. n - 1 */
int rg_below(rg_random *r, int n);
/* True with a probability of percent / 100. */
bool rg_chance(rg_random *r, int percent);
/* A size with a liking for 0, 1, and numbers around the widths of vectors, up to most. */
int64_t rg_size(rg_random *r, int64_t most);

typedef enum rg_profile {
    RG_GENTLE,   /* within a few units of 0 */
    RG_POSITIVE, /* 0.1 .. 2 */
    RG_UNIT,     /* -1 .. 1 */
    RG_WHOLE,    /* small whole numbers */
    RG_WIDE,     /* many magnitudes */
    RG_STRANGE,  /* gentle with NaN, infinities, -0 and denormals among them */
    RG_SPECIAL,  /* and the largest numbers */
    RG_ANY       /* one of them, the first most often */
} rg_profile;

/* A tensor of random elements. Integers: of the range of their dtype for RG_WIDE and RG_SPECIAL, small ones otherwise.
   NULL where it cannot be made. */
sib_tensor *rg_tensor(rg_random *r, sib_dtype dtype, size_t rank, const int64_t *dims, rg_profile profile);

/* ---- Graphs (graph.c) ------------------------------------------------------------------------------------- */

bool rg_begin(rg_graph *g);
void rg_clear(rg_graph *g);

/* Adds an input or constant and takes t over. RG_NONE where there is no room or t is NULL. */
int rg_leaf(rg_graph *g, sib_tensor *t, bool constant);

/* Adds a node and what ref makes of it. type: "Conv", or "com.microsoft:FusedConv". attributes: in the syntax of the
   cases. in: (n_in) values. False, with the graph as it was, where ref refuses it, an output is no tensor or has more than
   `most` elements. */
bool rg_add(rg_graph *g, const char *type, const char *attributes, int n_in, const int *in, int n_out,
            uint64_t most);
/* The same with attributes that are there already. */
bool rg_add_node(rg_graph *g, const rg_node *n, uint64_t most);

/* A model of the whole graph, or (which is not RG_NONE) of one node whose inputs are all inputs. */
sib_code rg_model(const rg_graph *g, int which, sib_model **out, sib_error *err);

/* Runs one node on ref. in: (RG_VALUES) tensors by number of value. out: (RG_OUT) owned by the caller, all NULL where it
   fails. */
bool rg_run_node(rg_graph *g, int which, sib_tensor *const *in, sib_tensor **out);

/* Computes all values again from the inputs and constants. False where a node is refused. */
bool rg_evaluate(rg_graph *g);
/* Forgets sessions that were made for other dims. */
void rg_forget(rg_graph *g);

/* Drops nodes and values that no output needs. */
void rg_sweep(rg_graph *g);
/* Nodes that are left. */
int rg_count(const rg_graph *g);

/* True where the operator rounds nothing. */
bool rg_is_exact(sib_str type);

/* Copies structure and tensors; the arena is shared, so `to` must be cleared first and `from` outlive it. */
bool rg_copy(rg_graph *to, const rg_graph *from);

/* ---- Makers ------------------------------------------------------------------------------------------------ */

/* Adds nodes drawn by chance until there are `nodes`, and marks outputs. dtype: of most floats. */
bool rg_make(rg_graph *g, rg_random *r, int nodes, bool big);

/* What makers share (make.c). */
typedef struct rg_maker {
    rg_graph *g;
    rg_random *r;
    sib_dtype dtype; /* of most values */
    uint64_t most;   /* elements of a value */
} rg_maker;
typedef struct rg_want {
    bool (*fits)(const sib_tensor *t); /* or NULL */
    int least_rank, most_rank;
} rg_want;
const sib_tensor *rg_of(const rg_maker *m, int v);
bool rg_is_float(const sib_tensor *t); /* half, single or double */
bool rg_is_tame(const sib_tensor *t);  /* float, and sums of its elements and squares stay finite */
bool rg_is_bool(const sib_tensor *t);
bool rg_is_integer(const sib_tensor *t);
/* A value that fits, recent ones more often; a new one of the maker's dtype where there is none and want is for floats. */
int rg_pick(const rg_maker *m, const rg_want *want);
int rg_new(const rg_maker *m, sib_dtype dtype, size_t rank, const int64_t *dims, rg_profile profile);
/* A constant that decides something: n int64. */
int rg_ints(const rg_maker *m, size_t n, const int64_t *values);
/* dims that broadcast against those of t, in order. Returns the rank. */
size_t rg_broadcastable(const rg_maker *m, const sib_tensor *t, int64_t *dims);
bool rg_put(const rg_maker *m, const char *type, const char *attributes, int n_in, const int *in, int n_out);
/* "[1,2]" */
const char *rg_list(char *text, size_t size, size_t n, const int64_t *values);

typedef bool (*rg_make_function)(const rg_maker *m);
typedef struct rg_row {
    int weight;
    rg_make_function make;
} rg_row;
/* Tables end with weight 0. */
extern const rg_row rg_elementwise[], rg_layout[], rg_rows[], rg_matrix[], rg_windows[], rg_others[],
    rg_quantized[];

/* ---- Cases changed by chance (cases.c) ----------------------------------------------------------------------- */

/* A graph of the one node of a case, with its dims and elements changed, but such that ref takes it. False where the case is
   not fit for it. */
bool rg_from_case(rg_graph *g, const op_case *c, rg_random *r);

/* ---- Checking (compare.c, spread.c) -------------------------------------------------------------------------- */

typedef struct rg_config {
    const char *name, *backends, *passes;
    unsigned threads;
} rg_config;
extern const rg_config rg_configs[];
extern const size_t rg_n_configs;

typedef struct rg_failure {
    int config; /* of rg_configs */
    int value;  /* output that differs, RG_NONE where the run failed */
    char words[700];
} rg_failure;

/* How far results may stand from ref's: what they move by when every rounding is done a little otherwise. */
typedef struct rg_spread {
    double *by;     /* (elements of the value) */
    bool *unstable; /* (elements): it jumps; not compared */
    bool lost;      /* all of it */
    bool rounded;   /* something was rounded on the way to it */
} rg_spread;
/* spreads: (RG_VALUES), to be cleared by rg_spread_clear. rounds: the more, the surer. */
bool rg_spread_find(rg_graph *g, rg_random *r, int rounds, rg_spread *spreads);
void rg_spread_clear(rg_spread *spreads);
/* False where got leaves what spread allows around want; words then say where. */
bool rg_spread_allows(const rg_spread *s, const sib_tensor *got, const sib_tensor *want, char *words,
                      size_t size);

/* Runs the graph in every configuration (only: that one, -1 for all). True where all agree with ref. */
bool rg_check(rg_graph *g, uint64_t seed, int only, rg_failure *out);

/* Makes g smaller as long as it fails in the same configuration. */
void rg_shrink(rg_graph *g, uint64_t seed, rg_failure *failure);

/* ---- Telling (text.c) ----------------------------------------------------------------------------------------- */

void rg_print(const rg_graph *g, FILE *out);
/* Saves model.onnx and test_data_set_0 into a folder, for `sibyl conform`. */
bool rg_save(const rg_graph *g, const char *folder);

#endif
