/* Inputs of a run, from JSON and files. */
#ifndef SIB_SERVER_RUN_INPUTS_H
#define SIB_SERVER_RUN_INPUTS_H

#include "server/runs/run.h"
#include "server/runs/run_files.h"

#include <jansson.h>

/* Fills r->inputs with every input of the model that has no default: as `inputs` says ({"x": {"random": SEED}}, {"data":
   [[1, 2]], "shape": [..]}, or a file: run_files.h), others at random with `seed`. dims: sizes of symbolic dims by name; either may be NULL.
   Errors: SIB_ERR_ARGUMENT (what is not as it must be, with its name), SIB_ERR_SIZE (more elements than a request may
   name), SIB_ERR_UNSUPPORTED, SIB_ERR_MEMORY. */
sib_code run_inputs_read(run *r, const sib_model *m, const json_t *inputs, const json_t *dims,
                         run_files *files, uint64_t seed, sib_error *err);

/* A tensor of any type, float32 where `spec` gives elements without a type: {"data"}, {"file"}, or NULL for the part of this
   name. *left: elements that may still be given, less these afterwards. *out: owned by the caller. */
sib_code run_input_tensor(const struct server *s, const char *name, const json_t *spec, run_files *files,
                          uint64_t *left, sib_tensor **out, sib_error *err);

#define MAX_RUN_ELEMENTS (UINT64_C(1) << 26) /* of all inputs together */

#endif
