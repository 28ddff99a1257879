/* The node that stands for several nodes of a plan, with those as its body. */
#ifndef RUN_PLAN_FUSE_BODY_H
#define RUN_PLAN_FUSE_BODY_H

#include "backend/backend.h"

/* Most nodes of a group but its head, and most values that one reads and makes. */
#define FUSE_MEMBERS 48
#define FUSE_INPUTS  32
#define FUSE_OUTPUTS 4

typedef struct fuse_body {
    const graph *outer;
    graph *body;
    node node; /* of milli-op `fused`; its lists are those below */
    attribute attribute;
    size_t n_in, n_out; /* n_out is above FUSE_OUTPUTS where there are too many; then it is no node */
    value_id ins[FUSE_INPUTS], outs[FUSE_OUTPUTS];
    const value *in_values[FUSE_INPUTS], *out_values[FUSE_OUTPUTS];
} fuse_body;

/* The body of members (n, in order of nodes) of g, a plan's graph; the first may be a head. leaves, readers, readers_at:
   see fuse.c. An `expand` before a member is left out: the milli-ops broadcast. Errors: SIB_ERR_MEMORY. */
sib_code fuse_body_make(fuse_body *out, const graph *g, const node_id *members, size_t n, const bool *leaves,
                        const uint32_t *readers, const uint32_t *readers_at, sib_error *err);
/* What a backend is asked about; lives as long as b stays where it is. */
node_view fuse_body_view(const fuse_body *b);
/* keep: the body is a node's now. */
void fuse_body_clear(fuse_body *b, bool keep);

#endif
