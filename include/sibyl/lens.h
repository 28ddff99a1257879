/* The logit lens: what the end of a decoder makes of the values between its blocks, and so what each of them already
   says of the next token. */
#ifndef SIBYL_LENS_H
#define SIBYL_LENS_H

#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_lens sib_lens;

/* Finds the values through which everything goes that the logits take from the tokens, and which a sum makes of what went
   past a part of a block and what came out of it (of a transformer: after attention and after the feed-forward layer),
   and the value that goes into the first of these parts. The end is all that follows the last of them: mostly a norm and
   the head. Only the graph's structure is read, no names. A node that normalizes the sum as well (com.microsoft's
   SkipLayerNormalization, SkipSimplifiedLayerNormalization) is read as both; where the graph has no value for the last sum,
   the last value is what such a node makes of it, and its end is the head.
   tokens, logits: an input and a value of the model. options: of the session that computes the end; may be NULL. out:
   owned by the caller, sib_lens_free(&l); it keeps the model alive.
   Errors: SIB_ERR_ARGUMENT (no such value), SIB_ERR_UNSUPPORTED (no such sums; the end needs more than a value between
   blocks and positions), those of sib_session_create. */
SIB_API sib_code sib_lens_create(sib_model *m, const char *tokens, const char *logits,
                                 const sib_session_options *options, sib_lens **out, sib_error *err);
SIB_API void sib_lens_free(sib_lens **l);

struct sib_job;
/* The same of a call of a job that has the ports `tokens` and `logits`, with the job's backends and threads. The job must
   outlive it. Values are named as in taps of a run, "CALL/step[12]/model/NAME". Errors: as above. */
SIB_API sib_code sib_job_lens(const struct sib_job *j, const char *call, sib_lens **out, sib_error *err);

typedef struct sib_lens_value {
    const char *name; /* in the model; lives as long as the lens */
    size_t block; /* 0 for the one that goes into the first block; else that which it comes out of, from 1 */
    size_t part; /* of that block, from 1: blocks are equal stretches of the same operators; 0 with block 0 */
    bool whole;  /* the last of its block */
} sib_lens_value;
/* Value i in the order of the graph. Returns false where i is out of range. */
SIB_API bool sib_lens_get(const sib_lens *l, size_t i, sib_lens_value *out);

/* What the end makes of value i, [1, n, width] or [n, width] as the model has it. *out: float32 [n, vocabulary], owned by
   the caller. cancel: may be NULL. Thread-safe. Errors: SIB_ERR_ARGUMENT (no such value), those of sib_session_run. */
SIB_API sib_code sib_lens_logits(const sib_lens *l, size_t i, const sib_tensor *value,
                                 const sib_cancel *cancel, sib_tensor **out, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
