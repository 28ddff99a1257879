/* Runs in the background. */
#ifndef SIB_SERVER_RUN_EXECUTE_H
#define SIB_SERVER_RUN_EXECUTE_H

#include "server/runs/run.h"

/* Adds the run to all runs, and queues it. Errors: SIB_ERR_SIZE (as many as may be go on, or the queue is full). */
sib_code run_start(run *r, sib_error *err);

#endif
