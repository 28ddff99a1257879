/* What pattern-matching passes share: producers and readers of values, numbers, and replacing a few nodes
   by one.

   A match takes its nodes: no node is part of two edits of a pass, so that no edit changes what another
   reads.
   Exporters read the dims of values inside a pattern. Such reads do not count: a node that only they read
   is kept, and since dims are known when a graph is planned, it never runs. */
#ifndef RUN_PASSES_MATCH_H
#define RUN_PASSES_MATCH_H

#include "graph/pass.h"
#include "spec/spec.h"

typedef struct matcher {
    const graph *g;
    pass_run *run;
    patch *patch;
    sib_error *err;
    uint32_t *reads; /* (n_values) reads by nodes other than Shape and Size, as outputs and by subgraphs */
    uint32_t *asked; /* (n_values) reads by Shape and Size */
    node_id *reader; /* (n_values) the last node counted in `reads`, NO_NODE where there is none */
    bool *given;     /* (n_values) an output of the graph, or captured by a subgraph */
    bool *taken;     /* (n_nodes) */
} matcher;

/* Errors: SIB_ERR_MEMORY; match_end must be called even then. */
sib_code match_begin(matcher *m, const graph *g, pass_run *run, patch *p, sib_error *err);
void match_end(matcher *m);
/* A pass that calls `at` for each node in order that is not taken yet. */
sib_code match_each(const graph *g, pass_run *run, patch *p, sib_code (*at)(matcher *m, const node *n),
                    sib_error *err);

/* ---- Nodes -------------------------------------------------------------------------------------------- */

/* True for a node of this operator of ai.onnx (match_op), com.microsoft (match_ms) or ai.sibyl. */
bool match_op(const node *n, const char *type);
bool match_ms(const node *n, const char *type);
bool match_sibyl(const node *n, const char *type);
/* The producer of v, NULL where there is none or it is taken. */
const node *match_maker(const matcher *m, value_id v);
/* match_maker, where it is of this operator of ai.onnx, else NULL. */
const node *match_made_by(const matcher *m, value_id v, const char *type);
/* The only reader of v; NULL where there are several, v is an output, or the reader is taken. */
const node *match_only_reader(const matcher *m, value_id v);
node_id match_id(const matcher *m, const node *n);
/* Input or output i, NO_VALUE where it is omitted. */
value_id node_in(const node *n, uint32_t i);
value_id node_out(const node *n, uint32_t i);
/* Whether no output but output 0 is read. */
bool match_one_output(const matcher *m, const node *n);
/* Whether the inputs of n are a and b, in either order. */
bool match_pair(const node *n, value_id a, value_id b);
/* The input of a binary node besides v; NO_VALUE where v is not an input. */
value_id match_other(const node *n, value_id v);

/* ---- Values ------------------------------------------------------------------------------------------- */

/* The elements of v, NULL where they are unknown. */
const sib_tensor *match_constant(const matcher *m, value_id v);
/* Whether v is a constant of one element; *out receives it. */
bool match_number(const matcher *m, value_id v, double *out);
/* Whether v is the number `wanted`, up to the rounding of v's dtype to float32 or, for narrower floats,
   theirs. */
bool match_is_number(const matcher *m, value_id v, double wanted);
/* The int64 elements of input i of n, or of the attribute `list` where n has no such input. Returns their
   number, -1 where they are unknown, 0 with *absent set where there is neither. */
int match_list(const matcher *m, const node *n, uint32_t i, spec_ints list, int64_t *out, int max,
               bool *absent);
sib_dtype match_dtype(const matcher *m, value_id v); /* SIB_DTYPE_UNKNOWN where it is no tensor */
/* Rank of a tensor, -1 where it is unknown. */
int match_rank(const matcher *m, value_id v);
/* Whether the size of an axis (may be negative) is known; *out receives it. */
bool match_dim(const matcher *m, value_id v, int axis, int64_t *out);
/* True where both are tensors of one dtype and one rank. */
bool match_same_rank(const matcher *m, value_id a, value_id b);
/* True where both are tensors of one dtype whose dims are known to be the same. */
bool match_same_type(const matcher *m, value_id a, value_id b);

/* ---- Edits -------------------------------------------------------------------------------------------- */

/* Nodes that an edit removes; at most 64. */
typedef struct match_nodes {
    uint32_t n;
    node_id ids[64];
} match_nodes;
void match_add(match_nodes *list, const matcher *m, const node *n);
/* Whether none of them is taken, and only they read their outputs, except `out`. */
bool match_closed(const matcher *m, const match_nodes *list, value_id out);

/* Makes a node of an operator; the domain is "" or "com.microsoft". like: gives the name, and the version
   where it is newer. */
node match_node(const char *domain, const char *type, int64_t version, const node *like);
/* Takes the nodes and puts `made` in place of the last of them. Nodes whose dims are read stay. */
sib_code match_replace(matcher *m, const match_nodes *old, const node *made);
/* match_replace with several nodes, in order. */
sib_code match_replace_by(matcher *m, const match_nodes *old, size_t n, const node *made);
/* Makes a constant. Takes t over, even on failure: the graph's arena keeps it. */
sib_code match_keep(matcher *m, sib_tensor *t, value_id *out);
sib_code match_keep_ints(matcher *m, size_t n, const int64_t *values, value_id *out);
sib_code match_keep_float(matcher *m, sib_dtype dtype, double number, value_id *out);

attribute match_int(const char *name, int64_t x);
attribute match_float(const char *name, float x);
attribute match_text(const char *name, const char *x);
attribute match_ints_of(const char *name, size_t n, const int64_t *values); /* borrowed until match_replace */

#endif
