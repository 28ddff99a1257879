/* Which of the candidates for a token is chosen: temperature, and what leaves candidates out. */
#ifndef JOB_NODES_DRAW_H
#define JOB_NODES_DRAW_H

#include <sibyl/base.h>

typedef struct candidate {
    double logit;
    int32_t id;
} candidate;

/* Max samplers in an order. */
#define DRAW_MAX_SAMPLERS 16

typedef struct draw_settings {
    double temperature;                    /* 0: the likeliest */
    double top_k, top_p, min_p, typical_p; /* 0, 1, 0, 1: all */
    double xtc_probability, xtc_threshold; /* 0: never */
    double mirostat, tau, eta;             /* mirostat: 0, 1 or 2 */
    const char *order;                     /* names of samplers, or of an order that has a name */
    uint64_t seed, count;                  /* which number of which sequence */
} draw_settings;

/* The orders that have a name: Hugging Face's, which is the default, and llama.cpp's. */
#define DRAW_ORDER "huggingface"

/* Chooses among c (n > 0, ids ascending), whose order and logits it changes. n_vocab: of the model. *mu: what mirostat keeps
   from token to token, 0 before the first. node: for messages. Errors: SIB_ERR_ARGUMENT (the order), SIB_ERR_MEMORY. */
sib_code draw_token(const draw_settings *s, candidate *c, size_t n, size_t n_vocab, double *mu,
                    const char *node, int32_t *id, sib_error *err);

#endif
