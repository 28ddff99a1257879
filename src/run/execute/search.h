/* Search for text with a decoder: what GreedySearch, Sampling and BeamSearch have in common. */
#ifndef RUN_EXECUTE_SEARCH_H
#define RUN_EXECUTE_SEARCH_H

#include "ops/sequence/search.h"
#include "run/execute/control.h"

/* Limits on what a file or a request may ask for; onnxruntime has the same. */
#define SEARCH_MAX_LENGTH 4096
#define SEARCH_MAX_BEAMS  128

typedef struct ranked {
    float score;
    int32_t token;
} ranked;

/* Row r = b * beams + k is beam k of text b. */
typedef struct search {
    frame *f;
    const node *n;
    control *c;
    search_spec spec;
    size_t batch, beams, rows, returned;           /* rows = batch * beams; returned <= beams texts of each */
    size_t prompt, length, max_length, min_length; /* tokens, with those of the prompt */
    size_t vocab;                                  /* 0 before the first step */
    float length_penalty, repetition, temperature;
    const int32_t *vocab_mask, *prefix_mask; /* [vocab], [batch, vocab] or NULL: tokens with 0 are left out */
    const int32_t *presence_mask;            /* [batch, vocab] or NULL: which tokens a Sampling holds back */
    size_t n_vocab_mask, n_prefix_mask, n_presence_mask; /* tokens */
    int32_t *tokens, *moved;                             /* [rows, max_length]; moved: to reorder them */
    int32_t *mask;                                       /* [rows, prompt] of the prompt */
    int32_t *position;                                   /* [rows] of the next token */
    size_t layers;                                       /* states */
    sib_value **past;                                    /* (layers) owned */
    bool shares;                                         /* they are buffers of max_length tokens */
    /* Of searches with an encoder. */
    size_t source; /* tokens of a source text */
    const int32_t
        *given; /* [batch, prompt] the tokens that the decoder begins with, or NULL: decoder_start_token_id */
    bool reads_all; /* the decoder reads the tokens of all steps */
    size_t n_fixed, ahead;
    sib_value **
        fixed; /* (n_fixed) owned inputs that stay, the first `ahead` before the past, the others behind it */
    float *scores;  /* [rows, vocab] of the last step */
    ranked *sorted; /* (vocab) for a Sampling to sort */
    uint64_t *seen; /* (vocab) the number of the last text that has the token */
    uint64_t stamp; /* number of the text */
} search;

static inline bool search_encodes(const search *s)
{
    return s->spec.model_type != SEARCH_GPT;
}

/* Reads the inputs of a node that have the same place in both. first: number of the input repetition_penalty.
   beams: 1 or more. Errors: SIB_ERR_ARGUMENT, SIB_ERR_FORMAT (the decoder), SIB_ERR_MEMORY. */
sib_code search_open(search *s, size_t first, sib_error *err);
void search_close(search *s);
/* Input i as a tensor, NULL where it is omitted; of no dtype or rank where it is another value. */
sib_code search_input(const search *s, size_t i, const sib_tensor **out, sib_error *err);
/* Input i as int32 of this rank, NULL where it is omitted. */
sib_code search_ints(const search *s, size_t i, const char *what, size_t rank, const sib_tensor **out,
                     sib_error *err);
/* One number of input i: the given default where it is omitted. */
sib_code search_int(const search *s, size_t i, const char *what, int64_t min, int64_t max, int64_t *out,
                    sib_error *err);
sib_code search_float(const search *s, size_t i, const char *what, float *out, sib_error *err);

/* Runs the decoder on what is new since the last step; s->scores are its logits. from: (rows) the row of the last
   step that each continues, or NULL where each continues itself. */
sib_code search_step(search *s, const size_t *from, sib_error *err);
/* A new int32 value [rows, n], and where its elements are. */
sib_code search_new_ints(size_t rows, size_t n, sib_value **out, int32_t **to, sib_error *err);
/* Reads the logits of the last token of each row, of which there is one for `copies` rows of the search. */
sib_code search_read_logits(search *s, const sib_value *v, size_t copies, sib_error *err);
/* Takes the states that a decoder gave behind its logits. */
void search_keep_states(search *s, body *decoder);
/* With an encoder: reads the node's source and the tokens to begin with; prepares the tables; runs a step. */
sib_code search_open_encoder(search *s, sib_error *err);
sib_code search_begin_encoder(search *s, sib_error *err);
sib_code search_step_encoder(search *s, sib_error *err);
/* Logits to logarithms of probabilities, row by row. */
void search_log_softmax(search *s);
/* Applies the node's penalties and masks to s->scores. */
void search_penalize(search *s);
/* Appends a token to each row; from as in search_step. */
void search_append(search *s, const size_t *from, const int32_t *token);

/* A new tensor of int32 or float32 as output i, and its elements. */
sib_code search_give(search *s, size_t i, sib_dtype dtype, size_t rank, const int64_t *dims, void **to,
                     sib_error *err);
/* Whether somebody wants output i. */
bool search_gives(const search *s, size_t i);

control_fn run_greedy_search, run_sampling, run_beam_search;

#endif
