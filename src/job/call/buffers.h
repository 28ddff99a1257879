/* The state of a call whose model's caches are buffers of rows; see batch/buffered.h. */
#ifndef JOB_CALL_BUFFERS_H
#define JOB_CALL_BUFFERS_H

#include "job/call/plan_inner.h"

/* Inputs that the form has besides those of the model. */
#define CALL_BUFFERS_FEEDS 3

/* Of one run of the job. */
typedef struct call_buffers {
    bool on;                              /* the state is buffers; else as the model names it */
    size_t length, step;                  /* rows that count, in all of them, and those of the step to come */
    sib_value *feeds[CALL_BUFFERS_FEEDS]; /* positions, begins, ends; NULL before the first step */
    sib_value *spare;                     /* a buffer for sequences that move; NULL: none moved yet */
} call_buffers;

/* Makes the form of the plan's model with its session, where it can have one: p->buffered and p->form. p->names and
   p->model are set. Errors: those of sessions, SIB_ERR_MEMORY. */
sib_code call_buffers_open(call_plan *p, const sib_session_options *options, sib_error *err);

/* Makes room in the states (as many as the plan's; NULL: as `first` makes them) for the rows of a step, of which feeds (n)
   are the inputs so far, and adds those that the form has besides: *n is raised. Errors: SIB_ERR_MEMORY. */
sib_code call_buffers_feed(call_buffers *b, const call_plan *p, sib_value **state, size_t *n,
                           sib_named_value *feeds, sib_error *err);
/* The step has been made. */
void call_buffers_step(call_buffers *b);
/* No rows count. */
void call_buffers_reset(call_buffers *b, const call_plan *p);
/* Cuts the states to what the model names, which the rest of the run goes on with. Errors: SIB_ERR_MEMORY, those of
   devices. */
sib_code call_buffers_leave(call_buffers *b, const call_plan *p, sib_value **state, sib_error *err);
/* Sequence i of every state becomes the former sequence from[i], of those that there are. from: (n). Errors: SIB_ERR_MEMORY,
   those of devices. */
sib_code call_buffers_take(call_buffers *b, const call_plan *p, sib_value **state, size_t n,
                           const size_t *from, sib_error *err);
void call_buffers_end(call_buffers *b);

#endif
