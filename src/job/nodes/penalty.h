/* Logits of tokens that were there before, made smaller. */
#ifndef JOB_NODES_PENALTY_H
#define JOB_NODES_PENALTY_H

#include "job/nodes/draw.h"
#include <sibyl/text.h>

typedef struct penalty_settings {
    double repetition, presence, frequency; /* 1, 0, 0: none */
    size_t last; /* tokens that they look back at; 0: repetition at all, the others at those chosen */
    double dry_multiplier, dry_base; /* multiplier 0: none */
    size_t dry_allowed, dry_last;    /* dry_last: tokens that it looks back at, 0: all */
    const char *const *breakers;     /* (n_breakers) texts that no repetition goes across */
    size_t n_breakers;
} penalty_settings;

typedef struct penalty_memory {
    uint32_t *fed, *chosen; /* (n_vocab) how often each was */
    uint32_t *work;         /* (n_vocab) zeros between calls */
    int32_t *history;       /* (n) fed and chosen, in order */
    size_t n_vocab, n, capacity;
} penalty_memory;

/* penalty_end in both cases. */
sib_code penalty_begin(penalty_memory *m, size_t n_vocab, sib_error *err);
void penalty_end(penalty_memory *m);

/* Tokens that the model is given; one of those that was chosen, which is not fed as long as it is the last in history. */
sib_code penalty_feed(penalty_memory *m, const int32_t *ids, size_t n, sib_error *err);
sib_code penalty_choose(penalty_memory *m, int32_t id, sib_error *err);

/* Changes the logits of c (n_vocab), by id. t: of the breakers; may be NULL, then there are none. Errors: SIB_ERR_MEMORY. */
sib_code penalty_apply(penalty_memory *m, const penalty_settings *s, const sib_tokenizer *t, candidate *c,
                       sib_error *err);

#endif
