/* The features of a recording as consecutive columns of a result that may exceed memory. */
#ifndef FEATURES_RECORDING_JOB_H
#define FEATURES_RECORDING_JOB_H

#include <sibyl/recording.h>

typedef struct recording_job {
    const sib_mel *mel;
    sib_pool *pool;
    const sib_recording_options *options; /* normalize is not looked at: the samples have their level */
    const float *samples;                 /* (n_samples) */
    size_t n_samples;

    size_t bands, frames; /* of the result */
    size_t chunk_samples; /* of a chunk */
    size_t width;         /* columns of the window, at most `frames` */
    sib_recording window; /* its arrays are (bands, width) */
    size_t first, held;   /* the window has columns first .. first + held - 1 of the result */

    /* Takes the columns held. NULL where the window has all columns. */
    sib_code (*take)(struct recording_job *job, sib_error *err);
    /* Samples before `end` are not read again soon. May be NULL. */
    void (*passed)(struct recording_job *job, size_t end);

    size_t done;  /* calls of on_chunk */
    int16_t *pcm; /* samples of a window in fixed point, else NULL */
    /* fixed-point features of a window and the frames next to it, where a chunk exceeds the window; of a chunk where the
       average takes bands and frames away */
    int16_t *aside;
} recording_job;

/* Computes the shape of the result, and chunks, frames_per_chunk and one of the window, whose width is set
   to all frames. Errors: as sib_recording_compute. */
sib_code recording_shape(recording_job *r, sib_error *err);

/* Computes all columns. Errors: as sib_recording_compute, and those of take. After one, or when its arrays
   are not needed any more, the window is to be freed. */
sib_code recording_run(recording_job *r, sib_error *err);

#endif
