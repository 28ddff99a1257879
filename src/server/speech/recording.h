/* The recording that a form uploads. */
#ifndef SIB_SERVER_RECORDING_H
#define SIB_SERVER_RECORDING_H

#include "server/http/exchange.h"

/* Decodes a part to mono audio at rate Hz, (samples) float32 that the caller owns. It ends with the exchange.
   Errors: those of sib_audio_load_bytes; SIB_ERR_SIZE above 4 hours. */
sib_code recording_read(const exchange *x, const part *file, double rate, sib_tensor **audio, sib_error *err);

#endif
