/* The recording of a request: uploaded as a part of its form, or before (recordings.h). */
#ifndef SIB_SERVER_RECORDING_H
#define SIB_SERVER_RECORDING_H

#include "server/speech/recordings.h"

/* The part `file` of the form, or what the field `recording` names, which *held then is: recording_release; NULL
   otherwise. Answers 400 or 404 and returns NULL where there is neither, or both. */
const part *recording_given(exchange *x, recording **held);
/* Answers that there is no such recording. */
void recording_missing(exchange *x, const char *id);

/* Decodes a part to mono audio at rate Hz, (samples) float32 that the caller owns. It ends with the exchange.
   Errors: those of sib_audio_load_bytes; SIB_ERR_SIZE above 4 hours. */
sib_code recording_read(const exchange *x, const part *file, double rate, sib_tensor **audio, sib_error *err);

#endif
