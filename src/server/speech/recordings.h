/* Recordings that clients upload once, for the requests that name them by the hash of their bytes. */
#ifndef SIB_SERVER_RECORDINGS_H
#define SIB_SERVER_RECORDINGS_H

#include "server/http/exchange.h"
#include <sibyl/base.h>

#include <stdatomic.h>

#define MAX_RECORDINGS 64

typedef struct recordings recordings;

/* Does not change. */
typedef struct recording {
    char id[SIB_SHA256_TEXT];
    part file;      /* with the name that the client gave, or NULL */
    double seconds; /* of audio */
    double created; /* Unix time, seconds */
    atomic_uint refs;
} recording;

/* max_bytes: of all together. NULL: no memory. */
recordings *recordings_create(uint64_t max_bytes);
void recordings_free(recordings **all);

/* Keeps what a part of a form has, which it takes unless it fails, or finds the recording of the same bytes. Others that nobody holds
   give way, those used longest ago first. *out: held by the caller. Errors: SIB_ERR_SIZE (more than max_bytes),
   SIB_ERR_MEMORY (too much is in use). Thread-safe, as all below. */
sib_code recordings_add(recordings *all, part *file, double seconds, recording **out, sib_error *err);
/* Held; NULL where there is none. It counts as used. */
recording *recordings_hold(recordings *all, const char *id);
/* The i-th, used longest ago first, held; NULL past the last. */
recording *recordings_hold_at(recordings *all, size_t i);
void recording_release(recording *r);
/* Returns false where there is none. */
bool recordings_forget(recordings *all, const char *id);

#endif
