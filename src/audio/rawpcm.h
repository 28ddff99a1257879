/* Raw PCM from standard input. */
#ifndef AUDIO_RAWPCM_H
#define AUDIO_RAWPCM_H

#include <sibyl/audio.h>

typedef struct audio_rawpcm {
    sib_pcm pcm;
    uint64_t bytes; /* read so far */
    bool at_end;
    size_t begin, filled; /* bytes of the buffer not yet returned: begin .. filled */
    uint8_t buffer[16384];
} audio_rawpcm;

size_t audio_rawpcm_sample_bytes(sib_pcm pcm);

/* Reads the first bytes, which stay in the buffer: whether a recording in a container begins there, which is no raw PCM. p: all
   zero but for pcm. Errors: SIB_ERR_IO. */
sib_code audio_rawpcm_begin(audio_rawpcm *p, bool *container, sib_error *err);

/* Reads up to max_samples from standard input; *got is 0 only at the end. Errors: SIB_ERR_IO, SIB_ERR_FORMAT
   (the input ends inside a sample, unless `lenient`). */
sib_code audio_rawpcm_take(audio_rawpcm *p, bool lenient, float *samples, size_t max_samples, size_t *got,
                           sib_error *err);

#endif
