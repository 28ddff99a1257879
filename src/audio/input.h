/* A file opened for libavformat: its reader uses our descriptor, and one audio stream is chosen. */
#ifndef AUDIO_INPUT_H
#define AUDIO_INPUT_H

#include "audio/cut.h"

#include <libavformat/avformat.h>
#include <sibyl/audio.h>

typedef struct audio_input {
    int fd;
    uint64_t size; /* bytes; 0 where it is not a regular file */
    uint64_t bytes_read;
    const uint8_t
        *head; /* (n_head) bytes that were read from fd before, and come first; then nothing is sought */
    size_t n_head;
    int read_errno;         /* errno of the first read that failed, 0 for none */
    bool refused_reference; /* the file refers to others, which were not opened */
    char name[176];         /* the path for messages, or its end where it is long */
    AVIOContext *io;
    AVFormatContext *format;
    AVStream *stream; /* the audio stream to decode; others are discarded */
    double declared;  /* seconds that the header gives this stream, negative where it gives none */
    audio_cut cut;    /* whether the file ends before its structure does */
} audio_input;

/* Opens `path` as a plain file, never as a protocol; where fd is not -1, that file, which is taken, under the name `path`.
   in: all zero but for head, fd -1; ends with audio_input_close, after failures too. Errors: those of sib_audio_open. */
sib_code audio_input_open(audio_input *in, const char *path, int fd, sib_error *err);

/* Opens a device that records, "alsa" or "pulse", by its name there. in: as above. Errors: those of sib_audio_open_device. */
sib_code audio_input_open_device(audio_input *in, const char *kind, const char *name, sib_error *err);

void audio_input_close(audio_input *in);

/* Fails with libav's message: SIB_ERR_MEMORY, SIB_ERR_IO where reading failed, otherwise `code`. "NAME: WHAT:
   REASON". */
sib_code audio_input_fail(const audio_input *in, sib_code code, int av_code, const char *what,
                          sib_error *err);

/* Where memory fails, libav often assumes the end of the file or damage, and continues. errno shows it: set
   to 0 before calls of libav, it is ENOMEM after them only where malloc failed. Errors: SIB_ERR_MEMORY. */
sib_code audio_input_check_memory(const audio_input *in, sib_error *err);

/* A path for messages: complete, or "..." and its end where it is long. */
void audio_short_name(const char *path, char *out, size_t bytes);

#endif
