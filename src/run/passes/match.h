/* What passes that look for patterns share: who makes and who reads a value, numbers, and replacing a few nodes by one.

   A match takes its nodes: none is part of two edits of a pass, so that what an edit reads is not changed by another.
   Exporters ask values inside a pattern for their dims. Such reads do not count: a node that only they read is left where
   it is, and since dims are known when a graph is planned, it is never run. */
#ifndef RUN_PASSES_MATCH_H
#define RUN_PASSES_MATCH_H

#include "graph/pass.h"
#include "spec/spec.h"

typedef struct matcher {
    const graph *g;
    pass_run *run;
    patch *patch;
    sib_error *err;
    uint32_t *
        reads; /* (n_values) how often it is read: by nodes but Shape and Size, as an output, by graphs inside */
    uint32_t *asked; /* (n_values) how often it is read by Shape and Size */
    node_id *reader; /* (n_values) the last node that so reads it, NO_NODE where none does */
    bool *given;     /* (n_values) an output of the graph, or captured by a graph inside */
    bool *taken;     /* (n_nodes) */
} matcher;

/* Errors: SIB_ERR_MEMORY; match_end is to be called all the same. */
sib_code match_begin(matcher *m, const graph *g, pass_run *run, patch *p, sib_error *err);
void match_end(matcher *m);

/* ---- Nodes -------------------------------------------------------------------------------------------- */

/* True for a node of this operator of ai.onnx, or of com.microsoft. */
bool match_op(const node *n, const char *type);
bool match_ms(const node *n, const char *type);
/* The node that makes v, NULL where none does or it is taken. */
const node *match_maker(const matcher *m, value_id v);
/* The same, if it is of this operator of ai.onnx. */
const node *match_made_by(const matcher *m, value_id v, const char *type);
/* The one node that reads v, NULL where others do, it is an output, or the node is taken. */
const node *match_only_reader(const matcher *m, value_id v);
node_id match_id(const matcher *m, const node *n);
/* Input or output i, NO_VALUE where it is omitted. */
value_id node_in(const node *n, uint32_t i);
value_id node_out(const node *n, uint32_t i);
/* True where nothing but output 0 is read. */
bool match_one_output(const matcher *m, const node *n);
/* True where n reads a and b, in either order, and no more. */
bool match_pair(const node *n, value_id a, value_id b);
/* The other input of a node of two, one of which is v; NO_VALUE where v is none. */
value_id match_other(const node *n, value_id v);

/* ---- Values ------------------------------------------------------------------------------------------- */

/* The elements of v, NULL where they are not known. */
const sib_tensor *match_constant(const matcher *m, value_id v);
/* True and the number where v is a constant of one element. */
bool match_number(const matcher *m, value_id v, double *out);
/* True where v is the number `wanted`, up to the rounding of v's dtype to float32 or, for narrower floats, theirs. */
bool match_is_number(const matcher *m, value_id v, double wanted);
/* The int64 elements of input i of n, or of the attribute `list` where n has no such input; -1 where they are not known, 0 and
   *absent where neither is there. */
int match_list(const matcher *m, const node *n, uint32_t i, spec_ints list, int64_t *out, int max,
               bool *absent);
sib_dtype match_dtype(const matcher *m, value_id v); /* SIB_DTYPE_UNKNOWN where it is no tensor */
/* Rank of a tensor, -1 where it is not known. */
int match_rank(const matcher *m, value_id v);
/* True and the number of an axis (may be negative) that is known. */
bool match_dim(const matcher *m, value_id v, int axis, int64_t *out);
/* True where both are tensors of one dtype and one rank. */
bool match_same_rank(const matcher *m, value_id a, value_id b);
/* True where both are tensors of one dtype whose dims are known to be the same. */
bool match_same_type(const matcher *m, value_id a, value_id b);

/* ---- Edits -------------------------------------------------------------------------------------------- */

/* Nodes that an edit takes away; at most 64. */
typedef struct match_nodes {
    uint32_t n;
    node_id ids[64];
} match_nodes;
void match_add(match_nodes *list, const matcher *m, const node *n);
/* True where none of them is taken, and what they make is read by them alone, but for value `out`. */
bool match_closed(const matcher *m, const match_nodes *list, value_id out);

/* A node of an operator; the domain is "" or "com.microsoft". like: name, and the version where that is newer. */
node match_node(const char *domain, const char *type, int64_t version, const node *like);
/* Takes the nodes and puts `made` in the place of the last of them. Those that somebody asks for dims stay. */
sib_code match_replace(matcher *m, const match_nodes *old, const node *made);
/* The same with several, in order. */
sib_code match_replace_by(matcher *m, const match_nodes *old, size_t n, const node *made);
/* A new constant. Takes t over, also where it fails: the graph's arena keeps it. */
sib_code match_keep(matcher *m, sib_tensor *t, value_id *out);
sib_code match_keep_ints(matcher *m, size_t n, const int64_t *values, value_id *out);
sib_code match_keep_float(matcher *m, sib_dtype dtype, double number, value_id *out);

attribute match_int(const char *name, int64_t x);
attribute match_float(const char *name, float x);
attribute match_text(const char *name, const char *x);
attribute match_ints_of(const char *name, size_t n, const int64_t *values); /* borrowed until match_replace */

#endif
