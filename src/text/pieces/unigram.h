/* Unigram language model: the segmentation into pieces with the max sum of scores, by the Viterbi
   algorithm (Kudo 2018). */
#ifndef TEXT_PIECES_UNIGRAM_H
#define TEXT_PIECES_UNIGRAM_H

#include "text/vocab/pretoken.h"
#include "text/vocab/trie.h"

typedef struct unigram {
    pretoken_model model; /* first, so that a pointer to it is a pointer to the struct */
    trie trie;
    double *scores;        /* (vocab->n) log probabilities */
    double unknown_score;  /* of a character without a piece */
    int32_t unknown;       /* id of such a character; -1: an error */
    bool byte_fallback;    /* unknown text becomes the tokens of its bytes, if all of them exist */
    bool look_up;          /* an unknown stretch that is itself a token becomes that token (Hugging Face) */
    bool single;           /* sums are in single precision (SentencePiece) */
    int32_t byte_ids[256]; /* of "<0x00>" and so on, or -1 */
} unigram;

/* Sets the model, without scores. */
void unigram_init(unigram *u, const vocab *v);

/* Builds the trie of all ids for which `takes` is true (NULL: all that vocab_find finds), and sets
   unknown_score to their lowest score minus 10. u->scores must be filled. Errors: SIB_ERR_MEMORY. */
sib_code unigram_index(unigram *u, bool (*takes)(const void *context, int32_t id), const void *context,
                       sib_error *err);
void unigram_free(unigram *u);

#endif
