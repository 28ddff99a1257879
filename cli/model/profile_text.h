/* A profile as text and as JSON. */
#ifndef CLI_PROFILE_TEXT_H
#define CLI_PROFILE_TEXT_H

#include "messages.h"

/* What a profile is of. */
typedef struct profile_of {
    const sib_profile *profile;
    long runs;
    sib_peak peak; /* of the session's threads; all 0 where it was not measured */
} profile_of;

/* Measures the peak of a pool. */
void profile_measure(profile_of *p, sib_pool *pool);
/* Prints tables by phase, node, operator and milli-op, that fit the terminal. */
void profile_show(const profile_of *p);
/* Draws time by operator and by node. Returns false, with a line on stderr, on failure. */
bool profile_draw(const profile_of *p, const char *path);
/* {"runs", "threads", "peak_gflops", "peak_gb_per_s", "phases", "nodes", "operators", "milli_ops"}; times in
   milliseconds of all runs together. */
json_t *profile_json(const profile_of *p);

#endif
