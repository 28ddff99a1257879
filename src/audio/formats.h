/* The file formats and codecs that are opened: those that recordings use. libavformat knows many more, among
   them synthesizers, games and slides, and each is code that a stranger's file could reach. */
#ifndef AUDIO_FORMATS_H
#define AUDIO_FORMATS_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdbool.h>

/* True where the table contains it. */
bool audio_format_is_known(const AVInputFormat *format);
bool audio_codec_is_known(enum AVCodecID id);

/* The same as lists for libav, which opens decoders itself while it probes a file: "wav,w64,...",
   "flac,pcm_s16le,...". They live as long as the process. Thread-safe. */
const char *audio_format_list(void);
const char *audio_codec_list(void);

#endif
