/* Subtitles: cues of SubRip and WebVTT, of segments or laid out by words. */
#ifndef JOB_SUBTITLES_H
#define JOB_SUBTITLES_H

#include "base/buffer.h"

#include <sibyl/transcript.h>

void subtitles_srt(const sib_transcript *t, const sib_subtitle_layout *layout, byte_buffer *b,
                   sib_error *err);
void subtitles_vtt(const sib_transcript *t, const sib_subtitle_layout *layout, byte_buffer *b,
                   sib_error *err);

#endif
