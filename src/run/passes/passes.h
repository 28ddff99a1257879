/* The passes that run over a model before a session plans it: those of graph/pass.h and those that depend
   on operators. */
#ifndef RUN_PASSES_PASSES_H
#define RUN_PASSES_PASSES_H

#include "graph/pass.h"

/* In the order in which they run: (*n). A name may occur several times. */
const pass *passes_table(size_t *n);

/* The pass that runs over each plan (run/plan/fuse.h). */
#define PASS_ELEMENTWISE "elementwise"

/* Each is described in the table. */
sib_code pass_captured(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_noop(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_same(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_constants(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_narrow(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_dequantized(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_normalization(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_gelu(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_attention(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_transposes(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_quantized(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_features(const graph *g, pass_run *r, patch *p, sib_error *err);
sib_code pass_affine(const graph *g, pass_run *r, patch *p, sib_error *err);

#endif
