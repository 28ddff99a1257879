/* Runs in the background. */
#ifndef SIB_SERVER_RUN_EXECUTE_H
#define SIB_SERVER_RUN_EXECUTE_H

#include "server/runs/run.h"

/* Adds the run to all runs, and queues it. Errors: SIB_ERR_SIZE (as many as may be go on, or the queue is full). */
sib_code run_start(run *r, sib_error *err);
/* Adds the run to all runs, and runs it in this thread, for a client that waits and ends it by going. Errors: SIB_ERR_SIZE
   with *busy (as many as may be go on), those of the run. */
sib_code run_wait(run *r, const struct exchange *by, bool *busy, sib_error *err);

#endif
