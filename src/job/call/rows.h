/* Rows of a call's state in another order, on the device where they are. */
#ifndef JOB_CALL_ROWS_H
#define JOB_CALL_ROWS_H

#include "job/call/plan_inner.h"

/* Makes the session that takes rows of all states of a plan on the device that the options name; NULL where they name
   none, or there is no state. Errors: those of sessions. */
sib_code call_rows_open(const port_list *states, const sib_session_options *options, sib_session **out,
                        sib_error *err);
/* Row i of every state becomes the former row from[i] < rows. states: (as many as the plan's), replaced; unchanged
   after a failure. from: (n). Errors: SIB_ERR_MEMORY, those of the session. */
sib_code call_rows_take(sib_session *s, size_t n_states, sib_value **states, size_t n, const size_t *from,
                        sib_error *err);

#endif
