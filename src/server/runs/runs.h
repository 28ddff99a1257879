/* All runs: those that wait or go on, and those that are kept. */
#ifndef SIB_SERVER_RUNS_H
#define SIB_SERVER_RUNS_H

#include "server/runs/run.h"

#define MAX_RUNS 64 /* that are kept */

struct exchange;

typedef struct runs runs;

runs *runs_create(struct server *s);
void runs_free(runs **all);
/* Cancels the runs that take longer than the server's limit, or every run. */
void runs_tick(runs *all, bool every);
/* Gives the run a number and a place, for which the oldest one that has ended goes. Errors: SIB_ERR_SIZE (as many as may
   be go on). */
sib_code runs_add(runs *all, run *r, sib_error *err);
/* Held; NULL where there is none. */
run *runs_hold(runs *all, const char *id);
/* The i-th, the latest first, held; NULL past the last. */
run *runs_hold_at(runs *all, size_t i);
/* Cancels the run where it goes on, and forgets its values once nobody reads them. */
void runs_forget(runs *all, run *r);

/* The run of {run} in the path, held: run_release it. Answers 404 and returns NULL where there is none. */
run *exchange_run(struct exchange *x);

#endif
