/* A recording's file, decoded to its end or to a limit. */
#include "fuzz.h"

#include <sibyl/audio.h>

void fuzz_audio(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    float *samples = NULL;
    size_t n_samples = 0;
    uint64_t hash = fuzz_hash(data, n);
    sib_cancel *cancel = fuzz_cancel_begin();
    const sib_audio_options options = {.allow_truncated = hash % 2,
                                       .sample_rate = hash % 3 ? 16000 : 8000,
                                       .max_seconds = 20,
                                       .cancel = cancel};
    sib_audio_info info;
    fuzz_code(sib_audio_load_bytes("fuzz", data, n, &options, &samples, &n_samples, &info, &err), &err);
    fuzz_cancel_end(&cancel);
    sib_free(samples);
}
