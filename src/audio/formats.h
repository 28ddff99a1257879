/* What is opened: formats of files and codecs that recordings come in. libavformat knows many more, among them synthesizers,
   games and slides, and each is code that a stranger's file could reach. */
#ifndef AUDIO_FORMATS_H
#define AUDIO_FORMATS_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stdbool.h>

/* What the table has under the demuxer's name. */
bool audio_format_is_known(const AVInputFormat *format);
bool audio_codec_is_known(enum AVCodecID id);

/* The same for libav, which opens decoders of its own while it looks at a file: "wav,w64,...", "flac,pcm_s16le,...". They
   live as long as the process. Thread-safe. */
const char *audio_format_list(void);
const char *audio_codec_list(void);

#endif
