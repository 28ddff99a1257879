/* States of calls that outlive a run, with the tokens they were made of. */
#ifndef JOB_CALL_PREFIX_CACHE_H
#define JOB_CALL_PREFIX_CACHE_H

#include "job/call/plan_inner.h"

#include <sibyl/prefix_cache.h>

/* A cache for calls of one job, whose document is `d`. Errors: SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
sib_code prefix_cache_create(const job_doc *d, size_t max_entries, sib_prefix_cache **out, sib_error *err);
const job_doc *prefix_cache_doc(const sib_prefix_cache *c);

/* The state of a call. */
typedef struct prefix_entry {
    const call_plan *plan;
    sib_value **state; /* (plan->state.n) as the call names it, or buffers with these rows and more */
    int32_t *ids;      /* (n) */
    size_t n;
    uint64_t used; /* when it was kept */
} prefix_entry;
void prefix_entry_drop(prefix_entry *e);

/* Takes out the state that goes on with most of tokens ids (n): *keep of them, fewer than n; 0 where there is none. *out:
   owned by the caller, who cuts it to *keep tokens. Thread-safe. */
void prefix_cache_take(sib_prefix_cache *c, const call_plan *p, const int32_t *ids, size_t n,
                       prefix_entry *out, size_t *keep);
/* Puts in a state, which is the cache's from here on. Thread-safe. */
void prefix_cache_give(sib_prefix_cache *c, const prefix_entry *e);

/* Cuts the state (plan->state.n) of `n` tokens to that of the first `keep`. Errors: SIB_ERR_MEMORY, those of devices. */
sib_code prefix_cut(const call_plan *p, sib_value **state, size_t n, size_t keep, sib_error *err);

#endif
