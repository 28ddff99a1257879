/* The recording that a form uploads. */
#ifndef SIB_SERVER_RECORDING_H
#define SIB_SERVER_RECORDING_H

#include "server/http/exchange.h"

/* Decodes a part to mono samples (*n) at rate Hz, owned by the caller, release with sib_free. It ends with the exchange.
   Errors: those of sib_audio_load_bytes; SIB_ERR_SIZE above 4 hours. */
sib_code recording_samples(const exchange *x, const part *file, double rate, float **samples, size_t *n,
                           sib_error *err);

#endif
