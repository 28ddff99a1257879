/* Finds the model of a job. */
#ifndef CLI_JOB_MODEL_H
#define CLI_JOB_MODEL_H

#include <sibyl/sibyl.h>

/* The file that `model` means: a path (job document, folder, ONNX file), the model that a checkpoint makes, with this
   tokenizer (NULL: its own), imported into the cache now or before (sib_import_cached), or the name of an installed model:
   NAME/job.json or NAME/NAME.onnx below $SIBYL_MODELS, or below share/sibyl/models next to the folder of this
   program. Released with free; NULL, with a line on stderr, if there is none. */
char *job_model_path(const char *model, const char *tokenizer);

/* Opens it. Returns NULL, with a line on stderr, on failure. */
sib_job *job_model_open(const char *model, const sib_job_options *options);

#endif
