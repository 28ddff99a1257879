/* Decodes packets to frames as the ffmpeg command does, and judges whether the file was complete. */
#ifndef AUDIO_DECODE_H
#define AUDIO_DECODE_H

#include "audio/input.h"

#include <libavcodec/avcodec.h>

typedef struct audio_decoder {
    audio_input *in; /* borrowed */
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    bool lenient;          /* packets that fail to decode are skipped, as the ffmpeg command does */
    bool at_end;           /* all packets were read; the decoder is draining */
    bool ends_inside;      /* the file ends inside a packet */
    bool harmless;         /* the packet fed last may fail */
    int drain_failures;    /* while draining; a few end it */
    int first_bad;         /* libav's code for the first packet that failed, 0 for none */
    double max_seconds;    /* a longer recording is refused */
    double bad_at;         /* seconds decoded before the first failure */
    double seconds;        /* decoded so far */
    double packet_seconds; /* of the packets read so far */
} audio_decoder;

/* Opens the decoder of in->stream. d: all zero; ends with audio_decoder_close, after failures too.
   Errors: SIB_ERR_UNSUPPORTED (no decoder), SIB_ERR_FORMAT (its header is damaged), SIB_ERR_MEMORY. */
sib_code audio_decoder_open(audio_decoder *d, audio_input *in, const sib_audio_options *options,
                            sib_error *err);

void audio_decoder_close(audio_decoder *d);

/* Seconds that the complete file should hold by its header, negative where unknown. */
double audio_decoder_declared(const audio_decoder *d);

/* *frame: the next frame, valid until the next call, or NULL at the end. Errors: SIB_ERR_FORMAT (damaged; at
   the end: truncated), SIB_ERR_IO. */
sib_code audio_decoder_next(audio_decoder *d, const AVFrame **frame, sib_error *err);

#endif
