/* What callers register, and how nodes use it. */
#ifndef EXTEND_EXTEND_H
#define EXTEND_EXTEND_H

#include "backend/backend.h"
#include "ops/ops.h"

#include <sibyl/extend.h>

/* Which dtypes an input takes. */
typedef struct input_rule {
    uint64_t dtypes; /* bit per sib_dtype */
    size_t same_as;  /* the first input of the same letter; SIZE_MAX for a rule without a letter */
} input_rule;

/* A registered operator. A node refers to it by its op_def. */
typedef struct user_op {
    op_def def; /* first, for user_op_of */
    sib_operator desc;
    sib_str domain, name;
    const char *label; /* "my.dom:Foo" */
    spec_table table;
    input_rule *rules; /* (desc.n_types) */
} user_op;

/* The registered operator of a node, or of what a milli-op calls; NULL for others. */
static inline const user_op *user_op_of(const node *n)
{
    const op_def *op = n->called ? n->called : n->op;
    return op && op->origin != OP_BUILT_IN ? (const user_op *)op : NULL;
}

/* The node of a graph as callbacks see it. */
struct sib_node {
    const graph *graph;
    const node *node;
};

struct sib_lowering {
    lowering *l;
    sib_node node;
    const user_op *op;
    sib_error why;  /* of the callback */
    bool declares;  /* in a shape function */
    uint32_t draws; /* random values without a seed so far */
    mval inputs[SIB_OPERATOR_ENDS];
    value_type declared[SIB_OPERATOR_ENDS];
};

/* A registered backend; sessions know it by its base. */
typedef struct user_backend {
    sib_backend base; /* first, for casts */
    sib_backend_definition desc;
} user_backend;

/* What a step calls: the function of an operator, or of a backend with its state. */
typedef struct call_how {
    const user_op *op;
    const user_backend *backend;
    void *state;
    sib_pool *pool;
} call_how;

/* Calls it and checks that it set every output that is read. */
sib_code call_function(const step *s, const call_how *how, const buffer *const *in, buffer *const *out,
                       const struct sib_cancel *cancel, sib_error *err);

/* Runs the nodes of operators that were registered as functions. */
extern const sib_backend backend_registered;

/* Fills what does not follow from *desc alone; strings go to the arena. Errors: SIB_ERR_ARGUMENT naming the
   field, SIB_ERR_MEMORY. */
sib_code user_backend_make(graph_arena *arena, const sib_backend_definition *desc, user_backend **out,
                           sib_error *err);
sib_code user_op_make(graph_arena *arena, const sib_operator *desc, user_op **out, sib_error *err);

#endif
