/* Callbacks of a running job, and its cancellation. */
#ifndef JOB_WATCH_H
#define JOB_WATCH_H

#include <sibyl/job.h>

/* All may be NULL. A code other than SIB_OK from a callback ends the run with it. */
typedef struct job_watch {
    const sib_cancel *cancel;
    sib_profile *profile;
    void *context;
    /* A segment as soon as it is final. */
    sib_code (*segment)(void *context, const sib_segment *segment, sib_error *err);
    /* Text as soon as it is final, in complete characters. */
    sib_code (*text)(void *context, const char *text, size_t size, sib_error *err);
    /* A token that a node `sample` has chosen. */
    sib_code (*token)(void *context, int32_t token, double logprob, sib_error *err);
    /* done of total, in seconds of audio or in tokens; total 0 where unknown. */
    sib_code (*progress)(void *context, double done, double total, sib_error *err);
    /* An inner value by path ("decoder/step[12]/logits"). wanted: false where nobody requested it, so that it
       need not be computed. */
    bool (*wanted)(void *context, const char *path);
    /* True where a path with this prefix may be wanted. */
    bool (*wanted_below)(void *context, const char *prefix);
    sib_code (*tap)(void *context, const char *path, const sib_tensor *value, sib_error *err);
} job_watch;

#endif
