/* What a session is made of. */
#ifndef RUN_SESSION_H
#define RUN_SESSION_H

#include "run/execute/execute.h"
#include "run/model.h"

struct sib_session {
    sib_model *model;
    executor_shared shared;    /* its lock is also of `copies` and of making `whole` */
    opened_backend *backends;  /* (shared.plan.n_backends) */
    sib_pool *pool, *own_pool; /* own_pool: NULL where it is the caller's */
    uint64_t memory_limit;
    diagnostics notes;                 /* what runs noticed, each sentence once; under the lock */
    spares *copies;                    /* (outputs of the main graph) of inputs that are outputs */
    const struct optimised *optimised; /* the graph that runs take, of the model; NULL for that of the file */
    executor_set running;              /* of that graph */
    executor_set whole; /* of the file's, where `running` is not: made when a run wants to see its values */
};

#endif
