/* Finds out whether a file ends before its structure does, as an incomplete copy. */
#ifndef AUDIO_CUT_H
#define AUDIO_CUT_H

#include <libavformat/avformat.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct audio_cut {
    bool is_cut;
    char what[96];    /* "its data chunk declares 100 bytes, 40 are there"; empty where the file is not cut */
    uint64_t payload; /* bytes of sound that a WAV's header declares, 0 where it declares none */
    bool no_length;   /* libavformat's duration comes from the bytes that exist, not from a header */
} audio_cut;

/* Examines a file of `size` bytes (0: unknown, nothing is examined) in libavformat's `format`. Reads with
   pread, so the descriptor's position does not change. Unknown formats, damaged structure and headers of
   streamed files (which have no length) count as not cut. */
void audio_cut_look(audio_cut *out, int fd, uint64_t size, const char *format);

/* Also examines the packets listed in the stream's index, where the format has one at the beginning. */
void audio_cut_look_at_index(audio_cut *out, AVStream *stream, uint64_t size, const char *format);

#endif
