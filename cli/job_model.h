/* Where the model of a job is found. */
#ifndef CLI_JOB_MODEL_H
#define CLI_JOB_MODEL_H

#include <sibyl/sibyl.h>

/* Opens what --model says: a path (job document, folder, ONNX file), or the name of a model that is installed: NAME/job.json
   or NAME/NAME.onnx below $SIBYL_MODELS, or below share/sibyl/models beside the folder of this program. kind, tokenizer, threads: as
   in sib_job_options. NULL, with a line on stderr, where that fails. */
sib_job *job_model_open(const char *model, const char *kind, const char *tokenizer, long threads);

#endif
