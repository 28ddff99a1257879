/* Sequences of one decoder that are computed together, step by step: whoever waits for a step is in the next one. */
#ifndef BATCH_BATCH_H
#define BATCH_BATCH_H

#include "batch/rows.h"

#include <sibyl/batch.h>

typedef struct batcher batcher;
/* The tokens so far of one sequence, with its cache. */
typedef struct sequence sequence;

/* Makes the decoder's form for several sequences, and the thread that runs its steps. options, sessions: with the caller's
   backends and threads. out: batch_free(&b). Errors: those of rows_make, SIB_ERR_UNSUPPORTED (types of the decoder's
   inputs), SIB_ERR_MEMORY. */
sib_code batch_create(const rows_source *source, const sib_batch_options *options,
                      const sib_session_options *sessions, batcher **out, sib_error *err);
/* No sequence of b may be there. */
void batch_free(batcher **b);
/* Fills all but the call's name. Thread-safe. */
void batch_count(batcher *b, sib_batch_info *out);

/* A sequence without tokens. out: sequence_leave(&s). Thread-safe. */
sib_code batch_join(batcher *b, sequence **out, sib_error *err);
void sequence_leave(sequence **at);
/* Back to no tokens. */
void sequence_rewind(sequence *s);

/* Feeds n >= 1 tokens and waits for the steps that compute them, which other sequences share. Its failure is no other
   sequence's. at: (m >= 1) tokens, of these, behind which logits are wanted; negative: counted from the end. *logits:
   float32 [1, m, n_vocab], owned by the caller. One thread at a time per sequence; a sequence whose feed failed can only
   be left. Errors: SIB_ERR_CANCELLED at once, also while a step runs; SIB_ERR_ARGUMENT (at), SIB_ERR_MEMORY, those of the
   model. */
sib_code sequence_feed(sequence *s, const int64_t *tokens, size_t n, const int64_t *at, size_t m,
                       const sib_cancel *cancel, sib_value **logits, sib_error *err);

#endif
