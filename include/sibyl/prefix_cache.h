/* Prefix caches: what a run of a job has read of a prompt is not read again by the runs after it.

   Where a run feeds tokens to a call with a state (caches of keys and values, or a recurrent state), a prefix cache keeps the
   state and its tokens when the run ends. A later run whose tokens begin alike goes on from there: a chat's next answer
   reads what is new in it. Its logits are those of a run without the cache, within the rounding of floats. */
#ifndef SIBYL_PREFIX_CACHE_H
#define SIBYL_PREFIX_CACHE_H

#include <sibyl/job.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_prefix_cache sib_prefix_cache;

#define SIB_PREFIX_CACHE_MAX 256
/* Makes a cache for runs of this job, which use it by sib_job_run_options.prefix_cache. max_entries: states that it keeps,
   1 to SIB_PREFIX_CACHE_MAX; 0: 1. Of more, those used longest ago are dropped. out: owned by the caller,
   sib_prefix_cache_free(&c), before the job. Errors: SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
SIB_API sib_code sib_prefix_cache_create(const sib_job *j, size_t max_entries, sib_prefix_cache **out,
                                         sib_error *err);
/* The runs that use it must have ended. */
SIB_API void sib_prefix_cache_free(sib_prefix_cache **c);

typedef struct sib_prefix_cache_info {
    size_t entries;  /* states that are kept; those that a run goes on with are not among them */
    uint64_t tokens; /* of these */
    uint64_t reused; /* so far: tokens that runs did not read again */
} sib_prefix_cache_info;
/* Thread-safe. */
SIB_API void sib_prefix_cache_get_info(sib_prefix_cache *c, sib_prefix_cache_info *out);

#ifdef __cplusplus
}
#endif
#endif
