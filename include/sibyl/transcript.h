/* Transcripts as text: subtitles and the other formats that openai-whisper's command writes. */
#ifndef SIBYL_TRANSCRIPT_H
#define SIBYL_TRANSCRIPT_H

#include <sibyl/job.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Constant, name (which is the ending of such files, too), meaning. */
#define SIB_TRANSCRIPT_FORMATS(X)                                                                            \
    X(SIB_TRANSCRIPT_TXT, "txt", "the text of each segment on a line")                                       \
    X(SIB_TRANSCRIPT_JSON, "json", "text, segments with all fields, language")                               \
    X(SIB_TRANSCRIPT_SRT, "srt", "SubRip subtitles")                                                         \
    X(SIB_TRANSCRIPT_VTT, "vtt", "WebVTT subtitles")                                                         \
    X(SIB_TRANSCRIPT_TSV, "tsv", "start and end in milliseconds, text, between tabs")                        \
    X(SIB_TRANSCRIPT_CSV, "csv", "the same between commas, as whisper.cpp's whisper-cli writes it")          \
    X(SIB_TRANSCRIPT_LINES, "lines", "[00:01.000 --> 00:02.500]  text")

typedef enum sib_transcript_format {
#define SIB_TRANSCRIPT_ENUM(constant, name, meaning) constant,
    SIB_TRANSCRIPT_FORMATS(SIB_TRANSCRIPT_ENUM)
#undef SIB_TRANSCRIPT_ENUM
        SIB_TRANSCRIPT_FORMAT_COUNT
} sib_transcript_format;

/* "txt", "json", ...; NULL for anything else. */
SIB_API const char *sib_transcript_format_name(sib_transcript_format format);

/* Results of a job of kind "speech-to-text". Strings are UTF-8; in JSON, bytes that are not become '?'. */
typedef struct sib_transcript {
    const char *text, *language;
    const sib_segment *segments; /* (n_segments) */
    size_t n_segments;
} sib_transcript;

/* How subtitles are laid out where all segments have the times of words; 0: no limit. A cue is a segment; with
   max_words_per_line a part of it of so many words; with both max_line_width and max_line_count it is filled with
   words of several segments until its lines are full or a word begins more than 3 s after the one before. */
typedef struct sib_subtitle_layout {
    size_t max_line_width; /* characters of a line, the blank in front of each further word included */
    size_t max_line_count; /* lines of a cue; has an effect with max_line_width alone */
    size_t max_words_per_line;
    bool highlight_words; /* a cue for each word, which is underlined in it */
    size_t offset_n;      /* added to the numbers of SubRip's cues, also of segments without words */
} sib_subtitle_layout;

/* Writes the transcript. *text: (*size) bytes followed by a NUL, release with sib_free; size may be NULL. Formats of
   openai-whisper 20250625 are byte for byte as its whisper.utils.get_writer writes them, but for json. layout: of srt
   and vtt, NULL for zeros. Subtitles have the words' times and texts where all segments have words. Errors:
   SIB_ERR_ARGUMENT (no such format), SIB_ERR_MEMORY. */
SIB_API sib_code sib_transcript_text_as(const sib_transcript *t, sib_transcript_format format,
                                        const sib_subtitle_layout *layout, char **text, size_t *size,
                                        sib_error *err);

/* The same without a layout. */
SIB_API sib_code sib_transcript_text(const sib_transcript *t, sib_transcript_format format, char **text,
                                     size_t *size, sib_error *err);

/* Divides segments between words, as whisper-cli --max-len does: each of the result has at most max_length characters,
   the blank in front included, or one word. Those without times of words stay as they are; divided ones have their
   words' times and no tokens. Segments are numbered anew. *out: (*n_out) in one block, release with sib_free; they point
   into it and to what `segments` (n) point to. Error: SIB_ERR_MEMORY. */
SIB_API sib_code sib_transcript_split(const sib_segment *segments, size_t n, size_t max_length,
                                      sib_segment **out, size_t *n_out, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
