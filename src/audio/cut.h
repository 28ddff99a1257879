/* Whether a file ends before its own structure says: what a broken copy looks like from outside. */
#ifndef AUDIO_CUT_H
#define AUDIO_CUT_H

#include <libavformat/avformat.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct audio_cut {
    bool is_cut;
    char what[96];    /* "its data chunk declares 100 bytes, 40 are there"; empty where it isn't cut */
    uint64_t payload; /* bytes of sound that a WAV's header declares, 0 where it doesn't */
    bool no_length;   /* libavformat's duration comes from what is there, not from a header */
} audio_cut;

/* Looks at a file of `size` bytes (0: unknown, nothing is looked at) that is in libavformat's `format`. Reads
   with pread, so the descriptor's position stays. Formats that it doesn't know, damaged structure and headers
   of files that were streamed (no length in them) count as not cut. */
void audio_cut_look(audio_cut *out, int fd, uint64_t size, const char *format);

/* Looks further at the packets that the stream's index lists, where the format has one up front. */
void audio_cut_look_at_index(audio_cut *out, AVStream *stream, uint64_t size, const char *format);

#endif
