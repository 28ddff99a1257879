/* The struct behind sib_session. */
#ifndef RUN_SESSION_H
#define RUN_SESSION_H

#include "run/execute/execute.h"
#include "run/model.h"

struct sib_session {
    sib_model *model;
    executor_shared shared;    /* its lock also guards `copies` and the making of `whole` */
    opened_backend *backends;  /* (shared.plan.n_backends) */
    sib_pool *pool, *own_pool; /* own_pool: NULL where the pool is the caller's */
    uint64_t memory_limit;     /* as given: 0 for the default */
    uint64_t weight_bytes;     /* of the weights of the model's graphs, without texts */
    watch_set *watches;
    struct choices *tuning;            /* NULL: kernels are chosen by costs */
    _Atomic(uint64_t) runs;            /* begun so far */
    diagnostics notes;                 /* of runs, each sentence once; guarded by the lock */
    spares *copies;                    /* (outputs of the main graph) copies of inputs that are outputs */
    const struct optimised *optimised; /* the graph to run, owned by the model; NULL: the file's graph */
    executor_set running;              /* of that graph */
    executor_set whole;                /* of the file's graph, if not `running`: made when a run has taps */
};

#endif
