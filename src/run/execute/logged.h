/* What a session writes to its log about plans. */
#ifndef RUN_EXECUTE_LOGGED_H
#define RUN_EXECUTE_LOGGED_H

#include "run/execute/frame.h"

/* A plan was made, in ns nanoseconds. */
void logged_plan(const frame *f, const segment *s, uint64_t ns);
/* Weights of a node were packed. */
void logged_pack(const frame *f, node_id origin, const step *s, uint64_t ns, uint64_t bytes);

#endif
