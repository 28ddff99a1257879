/* FFmpeg's functions, whose libraries are opened with the first recording. They bring some 120 others with them, which took 30
   ms of the start of each program that reads none. */
#ifndef AUDIO_FFMPEG_H
#define AUDIO_FFMPEG_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/avstring.h>
#include <libavutil/bprint.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <sibyl/audio.h>

/* (library, function) */
#define FFMPEG_FUNCTIONS(X)                                                                                  \
    X(avformat, av_find_input_format)                                                                        \
    X(avformat, av_probe_input_buffer2)                                                                      \
    X(avformat, av_read_frame)                                                                               \
    X(avformat, avformat_alloc_context)                                                                      \
    X(avformat, avformat_close_input)                                                                        \
    X(avformat, avformat_find_stream_info)                                                                   \
    X(avformat, avformat_index_get_entries_count)                                                            \
    X(avformat, avformat_index_get_entry)                                                                    \
    X(avformat, avformat_open_input)                                                                         \
    X(avformat, avio_alloc_context)                                                                          \
    X(avformat, avio_context_free)                                                                           \
    X(avcodec, av_codec_is_decoder)                                                                          \
    X(avcodec, av_codec_iterate)                                                                             \
    X(avcodec, av_get_bits_per_sample)                                                                       \
    X(avcodec, av_packet_alloc)                                                                              \
    X(avcodec, av_packet_free)                                                                               \
    X(avcodec, av_packet_unref)                                                                              \
    X(avcodec, avcodec_alloc_context3)                                                                       \
    X(avcodec, avcodec_find_decoder)                                                                         \
    X(avcodec, avcodec_free_context)                                                                         \
    X(avcodec, avcodec_get_name)                                                                             \
    X(avcodec, avcodec_open2)                                                                                \
    X(avcodec, avcodec_parameters_to_context)                                                                \
    X(avcodec, avcodec_receive_frame)                                                                        \
    X(avcodec, avcodec_send_packet)                                                                          \
    X(avutil, av_bprint_init_for_buffer)                                                                     \
    X(avutil, av_bprintf)                                                                                    \
    X(avutil, av_channel_layout_compare)                                                                     \
    X(avutil, av_channel_layout_copy)                                                                        \
    X(avutil, av_channel_layout_default)                                                                     \
    X(avutil, av_channel_layout_uninit)                                                                      \
    X(avutil, av_dict_free)                                                                                  \
    X(avutil, av_dict_set)                                                                                   \
    X(avutil, av_frame_alloc)                                                                                \
    X(avutil, av_frame_free)                                                                                 \
    X(avutil, av_free)                                                                                       \
    X(avutil, av_freep)                                                                                      \
    X(avutil, av_get_media_type_string)                                                                      \
    X(avutil, av_log_set_level)                                                                              \
    X(avutil, av_malloc)                                                                                     \
    X(avutil, av_match_list)                                                                                 \
    X(avutil, av_match_name)                                                                                 \
    X(avutil, av_opt_set)                                                                                    \
    X(avutil, av_strerror)                                                                                   \
    X(swresample, swr_alloc_set_opts2)                                                                       \
    X(swresample, swr_convert)                                                                               \
    X(swresample, swr_free)                                                                                  \
    X(swresample, swr_init)

typedef struct ffmpeg_functions {
#define X(library, function) __typeof__(function) *function;
    FFMPEG_FUNCTIONS(X)
#undef X
} ffmpeg_functions;

/* To be called once ffmpeg_open has succeeded. */
extern ffmpeg_functions ffmpeg;

/* Opens the libraries, of the version whose headers this was built with, and silences them; nothing where that is done.
   Any thread. Errors: SIB_ERR_UNSUPPORTED, with what is missing; a later call tries again. */
sib_code ffmpeg_open(sib_error *err);
/* The same with libavdevice, whose devices avformat then knows. */
sib_code ffmpeg_open_devices(sib_error *err);

#endif
