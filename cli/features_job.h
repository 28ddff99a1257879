/* One recording of `sibyl features`: from its name to the files written, and what there is to report. */
#ifndef CLI_FEATURES_JOB_H
#define CLI_FEATURES_JOB_H

#include "words.h"

/* What all recordings of a call share. */
typedef struct feature_tools {
    const sib_mel *mel;
    sib_pool *pool;
    sib_audio_options audio;
    sib_recording_options recording;
    const char *preset; /* for the picture's title */
    cli_progress *progress;
} feature_tools;

typedef struct feature_job {
    const char *in;    /* name, or "-" */
    char *npy;         /* where the array goes */
    char *png;         /* where the picture goes, or NULL */
    const char *title; /* what the recording is called */
    bool done;         /* else err says why not */
    sib_error err;
    sib_audio_info info;
    size_t n_samples;
    sib_recording_summary summary; /* write_seconds: those of the picture too */
    double decode_seconds;
} feature_job;

/* Fills the rest of `job`. On a failure nothing stands under the names of its outputs that was not there
   before, except an array that was already complete when its picture failed. */
void feature_job_run(feature_job *job, const feature_tools *tools);

/* Sentences about what is odd in the recording: calls `say` once for each. */
void feature_job_warnings(const feature_job *job, void (*warn)(void *context, const char *sentence),
                          void *context);

#endif
