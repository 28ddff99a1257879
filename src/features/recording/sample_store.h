/* Samples of a recording as they arrive: in memory up to a limit, beyond it in an unnamed file beside the
   output, which is mapped once all are there. */
#ifndef FEATURES_SAMPLE_STORE_H
#define FEATURES_SAMPLE_STORE_H

#include <sibyl/base.h>

typedef struct sample_store {
    const char *beside; /* name of the output, for the folder and for messages */
    size_t limit;       /* max samples in memory */
    float *held;        /* (n_held) of room for `limit` */
    size_t n_held;
    int fd;         /* holds the n_filed samples before those held; -1: there is no file */
    size_t n_filed; /* held ones are in the file too once it is mapped */
    float *mapped;  /* (n_filed), or NULL */
} sample_store;

/* beside: must outlive the store. */
void store_begin(sample_store *s, const char *beside, size_t limit);
void store_free(sample_store *s);

/* *room: where up to n samples (at most limit) can be written, of which store_add then takes the first
   ones. */
sib_code store_room(sample_store *s, size_t n, float **room, sib_error *err);
void store_add(sample_store *s, size_t n);

/* All samples are there: scales each by `factor`, sample x becoming (float)(x * factor), and gives all as one
   array (*n), which lives until store_free. Errors: SIB_ERR_IO, SIB_ERR_MEMORY. */
sib_code store_finish(sample_store *s, double factor, const float **samples, size_t *n, sib_error *err);

/* Samples begin .. end - 1 are not needed for now: those of a file no longer occupy memory. */
void store_release(const sample_store *s, size_t begin, size_t end);

#endif
