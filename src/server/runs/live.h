/* Runs watched live: who follows which of them, and what they tell while they go on. A run without followers has no
   watch. */
#ifndef SIB_SERVER_LIVE_H
#define SIB_SERVER_LIVE_H

#include "server/http/peer.h"
#include "server/runs/run.h"

typedef struct live live;

live *live_create(struct server *s);
void live_free(live **all);

/* Tells followers the run's state, after each change of it. */
void live_state(live *all, run *r);
/* In the event loop, many times a second: tells progress, and what slow clients have lost. */
void live_tick(live *all);

/* ---- In the thread of a run ---- */

typedef struct live_run live_run;

/* Around sib_session_run, and around sib_job_run, where session is NULL: the run's calls of the job's sessions are seen.
   begin returns NULL where memory fails: the run goes on unwatched. */
live_run *live_begin(live *all, run *r, sib_session *session);
void live_end(live_run **l);
/* Of the run of a job, where l is not NULL: tells its subscribers, and those who come while it goes on. The text is
   UTF-8 or nearly. */
void live_text(live_run *l, const char *text, size_t size);
void live_token(live_run *l, int32_t token, double logprob);
void live_segment(live_run *l, const sib_segment *segment);
/* The same, but for what slow clients lose. tier: in what; total 0: not known. */
void live_job_progress(live_run *l, const char *tier, double done, double total);

#endif
