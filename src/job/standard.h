/* Sibyl's documents for models: those in standard/, with the model's names and numbers filled in. */
#ifndef JOB_STANDARD_H
#define JOB_STANDARD_H

#include <sibyl/job.h>

/* Makes the document for a model. path: the model's file, named in the document without its folder. kind:
   NULL for the first that fits. tokenizer: a file; NULL: one next to the model (STEM.tokenizer.json,
   STEM.tiktoken, STEM.vocab.txt, tokenizer.json) where the job needs one. *text: release with mem_free.
   Errors: SIB_ERR_UNSUPPORTED (no job for the model), SIB_ERR_IO (no tokenizer), SIB_ERR_MEMORY. */
sib_code standard_job(const sib_model *m, const char *path, const char *kind, const char *tokenizer,
                      char **text, sib_error *err);
/* The document of features, which needs no model. *text: release with mem_free. */
sib_code standard_features_job(char **text, sib_error *err);

#endif
