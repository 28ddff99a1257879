/* What the decoder of a job that transcribes looks at in the audio, and what it finds likely, for the tokens of a text. */
#ifndef SIBYL_ATTENTION_H
#define SIBYL_ATTENTION_H

#include <sibyl/job.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SIB_ATTENTION_TOP 5 /* alternatives to a token */

typedef struct sib_attention_request {
    double start; /* seconds at which the window begins (sib_segment.seek / 100) */
    const int32_t
        *tokens; /* (n_tokens) of the text in the window; those that stand for no text are left out */
    size_t n_tokens;
    const char *language; /* code or name; NULL: English */
    bool translate;
    const size_t *layers; /* (n_layers) whose weights are wanted, in this order; NULL: all */
    size_t n_layers;
    const sib_cancel *cancel; /* may be NULL */
} sib_attention_request;

typedef struct sib_attention {
    size_t n_layers, n_heads; /* of the decoder */
    size_t n_tokens;
    int32_t *tokens;  /* (n_tokens) of text */
    double *logprobs; /* (n_tokens) of each among the tokens of text, behind those before it in this window */
    int32_t *top;     /* (n_tokens, SIB_ATTENTION_TOP) the likeliest in its place, the first ones first */
    double *top_logprobs;
    double start, step; /* seconds at which the first position begins, and from one to the next */
    /* float32 [layers that are wanted, heads, tokens, positions]: the shares with which the step that chooses each token
       attends to the audio; each row has the sum 1 */
    sib_tensor *weights;
} sib_attention;

/* Encodes the window of the recording and feeds the text to the decoder at once, as for times of words. audio: float32
   [n], mono samples at the job's rate. out: owned by the caller, sib_attention_free(&a). Thread-safe.
   Errors: SIB_ERR_UNSUPPORTED (the job has no node `transcribe` with the call `aligner`), SIB_ERR_ARGUMENT (the window
   begins behind the recording; a layer or token that the model lacks; more tokens than its context holds),
   SIB_ERR_CANCELLED, those of the model. */
SIB_API sib_code sib_job_attention(const sib_job *j, const sib_tensor *audio,
                                   const sib_attention_request *request, sib_attention **out, sib_error *err);
SIB_API void sib_attention_free(sib_attention **a);

#ifdef __cplusplus
}
#endif
#endif
