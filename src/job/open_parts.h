/* What a document names, opened. */
#ifndef JOB_OPEN_PARTS_H
#define JOB_OPEN_PARTS_H

#include "job/job.h"

/* Where what a document names comes from. */
typedef struct job_opening {
    const char *folder;           /* of its files; NULL: the current one */
    const sib_job_resolver *from; /* instead of files; NULL: files */
    const sib_job_options *options;
} job_opening;

/* Reads the bytes of a document and appends a NUL. *text: release with mem_free. */
sib_code job_read_file(const char *path, char **text, size_t *size, sib_error *err);
/* Opens models, tokenizers, calls and the chat template of j->doc; what is open after a failure is the job's, too. */
sib_code job_open_parts(sib_job *j, const job_opening *o, sib_error *err);
/* Frees models, tokenizers and calls of a job with a document. */
void job_close_parts(sib_job *j);

#endif
