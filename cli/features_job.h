/* One recording of `sibyl features`: from its name to the files written, and what there is to tell. */
#ifndef CLI_FEATURES_JOB_H
#define CLI_FEATURES_JOB_H

#include "words.h"

/* What all recordings of a call share. */
typedef struct feature_tools {
    const sib_mel *mel;
    sib_pool *pool;
    sib_audio_options audio;
    bool normalize;
    sib_level level;
    double level_target;
    double chunk;       /* seconds; 0: the recording as a whole */
    sib_dtype fixed;    /* SIB_I16 or SIB_I8: Whisper's features in fixed point; SIB_DTYPE_UNKNOWN: float */
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
    sib_audio_report report; /* of the samples as decoded */
    size_t n_samples;
    uint64_t bands, frames;          /* shape of the array */
    size_t chunks, frames_per_chunk; /* 1 and all frames for a whole recording */
    double minimum, maximum, mean;   /* of the features */
    double decode_seconds, compute_seconds, write_seconds;
} feature_job;

/* Fills the rest of `job`. On a failure nothing stands under the names of its outputs that was not there
   before, except an array that was already whole when its picture failed. */
void feature_job_run(feature_job *job, const feature_tools *tools);

/* Sentences about what is odd in the recording: calls `say` once for each. */
void feature_job_warnings(const feature_job *job, void (*say)(void *context, const char *sentence),
                          void *context);

#endif
