/* One recording of `sibyl features`: from its name to the files written, and the report. */
#ifndef CLI_FEATURES_JOB_H
#define CLI_FEATURES_JOB_H

#include "messages.h"

/* Shared by all recordings of a call. */
typedef struct feature_tools {
    const sib_mel *mel;
    sib_pool *pool;
    sib_audio_options audio;
    sib_recording_options recording;
    const char *preset; /* for the image's title */
    cli_progress *progress;
} feature_tools;

typedef struct feature_job {
    const char *in;    /* name, or "-" */
    char *npy;         /* where the array goes */
    char *png;         /* where the image goes, or NULL */
    const char *title; /* name of the recording */
    bool done;         /* else err has the reason */
    sib_error err;
    sib_audio_info info;
    size_t n_samples;
    sib_recording_summary summary; /* write_seconds: those of the picture too */
    double decode_seconds;
} feature_job;

/* Fills the rest of `job`. On failure no output is changed, except an array that was already complete when
   its image failed. */
void feature_job_run(feature_job *job, const feature_tools *tools);

/* Calls `warn` with a sentence for each oddity of the recording. */
void feature_job_warnings(const feature_job *job, void (*warn)(void *context, const char *sentence),
                          void *context);

#endif
