#include "server/speech/recording.h"

#define MAX_SECONDS 14400

sib_code recording_samples(const exchange *x, const part *file, double rate, float **samples, size_t *n,
                           sib_error *err)
{
    const sib_audio_options o = {
        .sample_rate = (int32_t)rate, .max_seconds = MAX_SECONDS, .cancel = exchange_cancel(x)};
    return sib_audio_load_bytes(file->file ? file->file : "recording", file->data.data, file->data.size, &o,
                                samples, n, NULL, err);
}
