/* Whisper's procedure: windows of 30 s, decoding with its rules, fallback, segments, words. It calls a
   `whisper_model` and does not depend on sessions, so that tests can script a model.
   Source: Radford et al. 2022, and the behaviour of openai-whisper 20250625. */
#ifndef JOB_WHISPER_WHISPER_H
#define JOB_WHISPER_WHISPER_H

#include "job/watch.h"
#include <sibyl/tensor.h>
#include <sibyl/text.h>

/* The model that the procedure calls, from one thread and in order. A window is 2 * n_audio_ctx frames of 10
   ms; openai-whisper's models all have n_audio_ctx 1500. */
typedef struct whisper_model {
    void *self;
    size_t n_mels, n_audio_ctx, n_text_ctx, n_vocab, n_text_layer, n_text_head;
    bool multilingual;
    const int32_t (*alignment_heads)[2]; /* (n_alignment_heads) layer and head; NULL: all of the upper half of
                                            the layers */
    size_t n_alignment_heads;
    /* Encodes a window for the following steps and empties the caches. mel: (n_mels, 2 * n_audio_ctx)
       float. */
    sib_code (*encode)(void *self, const float *mel, sib_error *err);
    /* Feeds n tokens to each of `beams` hypotheses, after those fed before. tokens: (beams, n). at: (n_at)
       ascending positions among the n whose logits are wanted. logits: (beams, n_at, n_vocab), filled. The
       first call after encode or rewind has one beam; later ones have as many as the previous call, or as
       `reorder` set. */
    sib_code (*step)(void *self, size_t beams, size_t n, const int32_t *tokens, size_t n_at, const size_t *at,
                     float *logits, sib_error *err);
    /* Changes the number of hypotheses to `beams`; hypothesis i continues the tokens fed to the former
       from[i]. from: (beams) indices below the former number. */
    sib_code (*reorder)(void *self, size_t beams, const size_t *from, sib_error *err);
    /* Forgets the tokens, keeps the encoded window. */
    sib_code (*rewind)(void *self, sib_error *err);
    /* Cross-attention scores (q k / sqrt(size), before the softmax) of n tokens fed together from the
       beginning, and their logits. heads: (n_heads) layer and head. scores: (n_heads, n, n_audio_ctx),
       logits: (n, n_vocab), both filled. Leaves the caches empty. Called only for word timestamps, otherwise
       may be NULL. */
    sib_code (*align)(void *self, size_t n, const int32_t *tokens, size_t n_heads, const int32_t (*heads)[2],
                      float *scores, float *logits, sib_error *err);
} whisper_model;

/* Options by the names of openai-whisper; whisper_options_default sets its defaults. NaN stands for None in
   doubles. */
typedef struct whisper_options {
    const char *language; /* "en", "english", any case; NULL: detected */
    bool translate;
    const double *temperature; /* (n_temperatures), tried in order until a result is good enough */
    size_t n_temperatures;
    size_t best_of;   /* samples above temperature 0; 0: None */
    size_t beam_size; /* at temperature 0; 0: None */
    double patience, length_penalty;
    size_t sample_len; /* 0: n_text_ctx / 2 */
    double compression_ratio_threshold, logprob_threshold, no_speech_threshold;
    bool condition_on_previous_text;
    const char *initial_prompt, *prefix; /* or NULL */
    bool carry_initial_prompt;
    /* after <|startofprev|>, before every window's prompt, which is shortened for them; or NULL */
    const char *hotwords;
    /* "-1,50256", where -1 is the non-speech symbols; NULL or "": suppress nothing */
    const char *suppress_tokens;
    bool suppress_blank, without_timestamps;
    double max_initial_timestamp; /* seconds; 0 or NaN: none */
    bool word_timestamps;
    const char *prepend_punctuations, *append_punctuations;
    /* (n_clips) start, end, start... in seconds; the end of the recording limits them */
    const double *clip_timestamps;
    size_t n_clips;
    double hallucination_silence_threshold; /* seconds; only with word_timestamps */
    uint64_t seed;                          /* of sampling above temperature 0 */
    sib_dtype arithmetic; /* of the features: SIB_DTYPE_UNKNOWN in floating point, SIB_I16, SIB_I8 */
} whisper_options;
void whisper_options_default(whisper_options *o);

/* A transcript. It owns its memory: whisper_transcript_free. */
typedef struct whisper_transcript {
    char *language;              /* code */
    double language_probability; /* NaN where it was not detected */
    char *text;
    sib_segment *segments; /* (n_segments) */
    size_t n_segments;
} whisper_transcript;
void whisper_transcript_free(whisper_transcript *t);

/* Transcribes samples (n_samples) at 16 kHz. pool: for the features, may be NULL. watch: may be NULL; its
   `segment` is called for segments that have text. *out: all zero after a failure. A segment of no length or
   without text stays in the list, empty, as in openai-whisper.
   Errors: SIB_ERR_ARGUMENT (an option, by name), SIB_ERR_VALUE (a token of Whisper's that the tokenizer
   lacks, by name; logits that are NaN), SIB_ERR_CANCELLED, those of the model and the callbacks. */
sib_code whisper_transcribe(const whisper_model *m, const sib_tokenizer *t, sib_pool *pool,
                            const float *samples, size_t n_samples, const whisper_options *o,
                            const job_watch *watch, whisper_transcript *out, sib_error *err);

/* The features of samples (n_samples) followed by a window of silence: *out (n_mels, *n_frames), mem_free it. */
sib_code whisper_features(const whisper_model *m, sib_dtype arithmetic, sib_pool *pool, const float *samples,
                          size_t n_samples, float **out, size_t *n_frames, sib_error *err);

/* The same as whisper_transcribe from features of the recording followed by a window of silence: mel (n_mels, n_frames), where
   n_frames is at least 2 * n_audio_ctx and the last 2 * n_audio_ctx frames are that silence. */
sib_code whisper_transcribe_features(const whisper_model *m, const sib_tokenizer *t, const float *mel,
                                     size_t n_frames, const whisper_options *o, const job_watch *watch,
                                     whisper_transcript *out, sib_error *err);

#endif
