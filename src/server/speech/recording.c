#include "server/speech/recording.h"

#define MAX_SECONDS 14400

sib_code recording_read(const exchange *x, const part *file, double rate, sib_tensor **audio, sib_error *err)
{
    const sib_audio_options o = {
        .sample_rate = (int32_t)rate, .max_seconds = MAX_SECONDS, .cancel = exchange_cancel(x)};
    float *samples = NULL;
    size_t n = 0;
    sib_code code = sib_audio_load_bytes(file->file ? file->file : "recording", file->data.data,
                                         file->data.size, &o, &samples, &n, NULL, err);
    if (code == SIB_OK)
        code = sib_tensor_wrap(SIB_F32, 1, (const int64_t[]){(int64_t)n}, NULL, samples, sib_free, samples,
                               audio, err);
    if (code != SIB_OK)
        sib_free(samples);
    return code;
}
