/* Where the model of a job is found. */
#ifndef CLI_JOB_MODEL_H
#define CLI_JOB_MODEL_H

#include "options.h"

#include <sibyl/sibyl.h>

/* Rows that commands of jobs have; type: of their settings. */
#define JOB_OPTION_MODEL(type, words)                                                                        \
    {                                                                                                        \
        .name = "model", .kind = CLI_TEXT, .field = offsetof(type, model), .value = "M", .help = words       \
    }
#define JOB_OPTION_TOKENIZER(type, words)                                                                    \
    {                                                                                                        \
        .name = "tokenizer", .kind = CLI_TEXT, .field = offsetof(type, tokenizer), .value = "FILE",          \
        .help = words                                                                                        \
    }
#define JOB_OPTION_INPUT(type, words)                                                                        \
    {                                                                                                        \
        .name = "input", .letter = 'i', .kind = CLI_LIST, .field = offsetof(type, inputs),                   \
        .value = "NAME=WHAT", .help = words                                                                  \
    }

/* Opens what --model says: a path (job document, folder, ONNX file), or the name of a model that is installed: NAME/job.json
   or NAME/NAME.onnx below $SIBYL_MODELS, or below share/sibyl/models beside the folder of this program. kind, tokenizer, threads: as
   in sib_job_options. NULL, with a line on stderr, where that fails. */
sib_job *job_model_open(const char *model, const char *kind, const char *tokenizer, long threads);

#endif
