/* The node that replaces several nodes of a plan, with those as its body. */
#ifndef RUN_PLAN_FUSE_BODY_H
#define RUN_PLAN_FUSE_BODY_H

#include "backend/backend.h"

/* Max nodes of a group without its head, and max inputs of a group. */
#define FUSE_MEMBERS 48
#define FUSE_INPUTS  32
#define FUSE_OUTPUTS 4

typedef struct fuse_body {
    const graph *outer;
    graph *body;
    node node; /* of milli-op `fused`; its lists are the fields below */
    attribute attribute;
    size_t n_in, n_out; /* n_out > FUSE_OUTPUTS: too many, no node is made */
    value_id ins[FUSE_INPUTS], outs[FUSE_OUTPUTS];
    const value *in_values[FUSE_INPUTS], *out_values[FUSE_OUTPUTS];
} fuse_body;

/* Makes the body of members (n, in order of nodes) of g, a plan's graph; the first may be a head. leaves,
   readers, readers_at: see fuse.c. An `expand` before a member is left out: milli-ops broadcast. Errors:
   SIB_ERR_MEMORY. */
sib_code fuse_body_make(fuse_body *out, const graph *g, const node_id *members, size_t n, const bool *leaves,
                        const uint32_t *readers, const uint32_t *readers_at, sib_error *err);
/* The view by which backends are asked; valid while b is not moved. */
node_view fuse_body_view(const fuse_body *b);
/* keep: a node owns the body now. */
void fuse_body_clear(fuse_body *b, bool keep);

#endif
