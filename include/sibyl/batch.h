/* Batches: runs of one job whose decoder makes its steps together (continuous batching).

   A step of a decoder reads all of its weights, for one sequence or for several. A batch computes one token of each
   sequence at once; sequences join and leave between steps. Each is a run of the job with everything of its own:
   prompt, sampler, seed, texts that end it, limits, cancellation. */
#ifndef SIBYL_BATCH_H
#define SIBYL_BATCH_H

#include <sibyl/job.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_batch sib_batch;

typedef struct sib_batch_options {
    unsigned max_sequences; /* in one step, the others take turns; at most 64; 0: 16 */
    unsigned max_tokens;    /* of prompts in a step that others wait for; 0: 64 */
    /* Memory of the caches that are kept when their runs have ended, of which those used longest ago give way: a run
       whose tokens begin alike does not read what they have in common. 0: none are kept. */
    size_t prefix_bytes;
} sib_batch_options;

/* Makes a batch of the first call of the job that can be batched: a decoder with a cache of keys and values [B, heads, P,
   size] per layer, written with the operator Attention, such as `sibyl import` makes of Llama's and GPT-2's families.
   It shares the weights of the job, which must outlive it. Runs use it by sib_job_run_options.batch. options: may be
   NULL. out: owned by the caller, sib_batch_free(&b).
   Errors: SIB_ERR_UNSUPPORTED (why the job's decoder cannot be batched: its runs are made alone), SIB_ERR_ARGUMENT,
   SIB_ERR_MEMORY. */
SIB_API sib_code sib_batch_create(const sib_job *j, const sib_batch_options *options, sib_batch **out,
                                  sib_error *err);
/* The runs that use it must have ended. */
SIB_API void sib_batch_free(sib_batch **b);

typedef struct sib_batch_info {
    const char *call;        /* of the job's document */
    unsigned max_sequences;  /* in one step */
    uint64_t steps, tokens;  /* so far: steps, and tokens fed in them, those of prompts among them */
    size_t largest;          /* most sequences in one step so far */
    size_t kept, kept_bytes; /* caches of runs that have ended, and their memory */
    uint64_t reused;         /* so far: tokens that runs did not read again */
} sib_batch_info;
/* Thread-safe. */
SIB_API void sib_batch_get_info(const sib_batch *b, sib_batch_info *out);

#ifdef __cplusplus
}
#endif
#endif
