/* One run of a job: slots filled node by node. */
#ifndef JOB_RUN_H
#define JOB_RUN_H

#include "job/call/call.h"
#include "job/document/doc.h"
#include <sibyl/text.h>

/* What an open job holds, shared by its runs. */
typedef struct job_parts {
    const job_doc *doc;
    call_plan **plans;          /* (doc->n_calls) */
    sib_tokenizer **tokenizers; /* (doc->n_tokenizers) */
    sib_pool *pool;
} job_parts;

/* Runs the nodes that these outputs need. given: (doc->n_inputs) NULL for an input left to its default. out:
   (n) receives values, one reference each; all NULL after a failure. shared: may be NULL.
   Errors: SIB_ERR_ARGUMENT (a required input that is not given, by name), SIB_ERR_VALUE (a loop that does not
   end within max_steps), SIB_ERR_CANCELLED, and those of nodes. */
sib_code job_run(const job_parts *parts, job_value *const *given, size_t n, const size_t *outputs,
                 uint64_t max_steps, const job_watch *watch, const job_shared *shared, job_value **out,
                 sib_error *err);

/* The same n_runs times. Calls whose document lets several be one are made so, the first of the outermost
   list; other nodes run by run, so that few of what such a call gives is there at once. given: (n_runs *
   doc->n_inputs); out: (n_runs * n) NULL. */
sib_code job_run_many(const job_parts *parts, size_t n_runs, job_value *const *given, size_t n,
                      const size_t *outputs, uint64_t max_steps, const job_watch *watch, job_value **out,
                      sib_error *err);

#endif
