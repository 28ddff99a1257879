/* A decoder in rows form: one step for several sequences. */
#ifndef BATCH_STEPPER_H
#define BATCH_STEPPER_H

#include "batch/cache.h"

#include <sibyl/session.h>

typedef struct stepper stepper;

/* out: stepper_free(&d). Errors: those of rows_make; SIB_ERR_UNSUPPORTED (types of its inputs). */
sib_code stepper_create(const rows_source *source, const sib_session_options *sessions, stepper **out,
                        sib_error *err);
void stepper_free(stepper **d);
/* Its layers, in *layers (may be NULL), and how many. */
size_t stepper_layers(const stepper *d, const rows_layer **layers);

/* Of one sequence in a step: n >= 1 tokens behind those of its cache. */
typedef struct stepper_part {
    cache *c;
    const int64_t *tokens;
    size_t n;
    const size_t *at; /* (m) of these tokens, those behind which logits are wanted */
    size_t m;
    const float *logits; /* out: (m, n_vocab), of *values */
} stepper_part;

/* One step; the caches have the tokens then. *values owns the logits, sib_value_free(values), which may be NULL where none
   are wanted. After a failure all caches are as before. One thread at a time. Errors: those of the model, SIB_ERR_MEMORY. */
sib_code stepper_step(stepper *d, size_t n_parts, stepper_part *parts, sib_value **values, size_t *n_vocab,
                      sib_error *err);

#endif
