/* Filling profiles. */
#ifndef RUN_EXECUTE_PROFILE_H
#define RUN_EXECUTE_PROFILE_H

#include <sibyl/watch.h>

/* What a step adds to the rows of a profile. */
typedef struct profile_step {
    const char *node, *type, *milli, *backend; /* milli: its milli-op, NULL for an entire operator */
    bool begins;                               /* it is the first step of the node's run on that backend */
    uint64_t ns;
    double flops;
    uint64_t bytes_read, bytes_written, memory;
} profile_step;

/* All are thread-safe; where memory fails something is not counted. */
void profile_add(sib_profile *p, const profile_step *s);
/* Begins a span and returns a number for profile_close. */
uint64_t profile_open(sib_profile *p, const sib_time_span *s);
/* s: the span as it is at its end. */
void profile_close(sib_profile *p, uint64_t span, const sib_time_span *s);
/* A span that has ended already. */
void profile_put(sib_profile *p, const sib_time_span *s);

/* The system's number of this thread. */
uint64_t profile_thread(void);

#endif
