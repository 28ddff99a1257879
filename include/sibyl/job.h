/* Jobs: audio in and text out, text in and text out, audio in and speech spans out. A job is a JSON document that says which
   models are called and how; see docs/jobs.md. */
#ifndef SIBYL_JOB_H
#define SIBYL_JOB_H

#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- What jobs give ------------------------------------------------------------------------------ */

/* A word of a segment. Times in seconds from the beginning of the recording. */
typedef struct sib_word {
    const char *text; /* with the blank in front that the tokenizer has: " word" */
    double start, end;
    double probability; /* mean over the word's tokens */
} sib_word;

/* A stretch of speech, the fields of openai-whisper's segments. */
typedef struct sib_segment {
    uint64_t id;
    uint64_t seek; /* frame (10 ms) at which the window that it was found in begins */
    double start, end;
    const char *text;
    size_t n_tokens, n_words;
    const int32_t *tokens; /* (n_tokens) timestamps included */
    const sib_word *words; /* (n_words) where word timestamps were asked for */
    double temperature, avg_logprob, compression_ratio, no_speech_prob;
} sib_segment;

/* A stretch with speech in it. */
typedef struct sib_span {
    double start, end; /* seconds */
} sib_span;

/* Types of ports: what goes in and comes out of jobs and their nodes. */
#define SIB_PORT_TYPES(X)                                                                                    \
    X(SIB_PORT_AUDIO, "audio") /* tensor float32 [n]: mono samples at the rate that the job says */          \
    X(SIB_PORT_TENSOR, "tensor")                                                                             \
    X(SIB_PORT_TOKENS, "tokens")                                                                             \
    X(SIB_PORT_TEXT, "text")                                                                                 \
    X(SIB_PORT_NUMBER, "number")                                                                             \
    X(SIB_PORT_NUMBERS, "numbers")                                                                           \
    X(SIB_PORT_FLAG, "flag")                                                                                 \
    X(SIB_PORT_TEXTS, "texts")                                                                               \
    X(SIB_PORT_SEGMENTS, "segments")                                                                         \
    X(SIB_PORT_SPANS, "spans")

typedef enum sib_port_type {
    SIB_PORT_NONE = 0,
#define SIB_PORT_ENUM(constant, name) constant,
    SIB_PORT_TYPES(SIB_PORT_ENUM)
#undef SIB_PORT_ENUM
} sib_port_type;

/* A value at a port. What it points to belongs to whoever gives it. */
typedef struct sib_port_value {
    sib_port_type type;
    union {
        const sib_tensor *tensor; /* audio, tensor */
        struct {
            const int32_t *ids; /* (n) */
            size_t n;
        } tokens;
        struct {
            const char *data; /* (size) bytes and a NUL behind */
            size_t size;
        } text;
        double number;
        struct {
            const double *data; /* (n) */
            size_t n;
        } numbers;
        bool flag;
        struct {
            const char *const *data; /* (n) */
            size_t n;
        } texts;
        struct {
            const sib_segment *data; /* (n) */
            size_t n;
        } segments;
        struct {
            const sib_span *data; /* (n) */
            size_t n;
        } spans;
    };
} sib_port_value;

#ifdef __cplusplus
}
#endif
#endif
