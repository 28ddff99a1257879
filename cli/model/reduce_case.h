/* What sibyl reduce leaves behind: a case in the layout of ONNX's tests. */
#ifndef CLI_REDUCE_CASE_H
#define CLI_REDUCE_CASE_H

#include "model/dump.h"
#include "model/model_inputs.h"

/* Runs a model on ref. `outputs` has room for each of its outputs, owned by the caller, and is set to NULL
   before. Returns false where it fails, with a line on stderr unless quiet. */
bool reduce_run(sib_model *m, const model_inputs *in, sib_tap tap, void *context, bool quiet,
                sib_value **outputs);
/* Whether it can be run on ref. */
bool reduce_runs(sib_model *m, const model_inputs *in);

/* Writes model.onnx and test_data_set_0 into `folder`. Outputs are those of onnxruntime where `peer`, else
   those that `theirs` holds (NULL: none), else those of a run on ref. Returns false, with a line on stderr,
   where something fails. */
bool reduce_case_write(const char *folder, sib_model *m, const model_inputs *in, bool peer,
                       const dump *theirs);

#endif
