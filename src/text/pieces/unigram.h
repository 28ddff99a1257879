/* Unigram language model: the cut into pieces whose scores sum to the most, by the Viterbi algorithm (Kudo 2018). */
#ifndef TEXT_PIECES_UNIGRAM_H
#define TEXT_PIECES_UNIGRAM_H

#include "text/pretoken.h"
#include "text/trie.h"

typedef struct unigram {
    pretoken_model model; /* first, so that the model's functions find it */
    trie trie;
    double *scores;        /* (vocab->n) log probabilities */
    double unknown_score;  /* of a character without a piece */
    int32_t unknown;       /* its id; -1: refused */
    bool byte_fallback;    /* what is unknown becomes the tokens of its bytes, where all are there */
    bool look_up;          /* unknown stretches that make a token together are that token (Hugging Face) */
    bool single;           /* sums are kept in single precision (SentencePiece) */
    int32_t byte_ids[256]; /* of "<0x00>" and so on; -1 for none */
} unigram;

/* Sets the model and no scores. */
void unigram_init(unigram *u, const vocab *v);

/* The trie of all ids for which `takes` is true (NULL: all that vocab_find tells), and unknown_score from their scores: the
   lowest less 10. u->scores is filled before. Errors: SIB_ERR_MEMORY. */
sib_code unigram_index(unigram *u, bool (*takes)(const void *context, int32_t id), const void *context,
                       sib_error *err);
void unigram_free(unigram *u);

#endif
