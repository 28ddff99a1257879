/* Speculative decoding: several tokens of a text in one step of its model.

   A step of a decoder takes about as long for a few tokens as for one. Tokens that may come next are guessed, by what
   followed in the text where it was the same before (prompt lookup) or by a smaller model (draft), and read with the one
   that is certain; the model's logits behind each say which were right. Samplers see the logits that they would see
   without it, within the rounding of floats, and choose the same. */
#ifndef SIBYL_SPECULATE_H
#define SIBYL_SPECULATE_H

#include <sibyl/job.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_speculation sib_speculation;

#define SIB_SPECULATION_MAX 64
typedef struct sib_speculation_options {
    unsigned
        max_guesses; /* tokens that a step reads beside the certain one, 1 to SIB_SPECULATION_MAX; 0: 8 */
    /* whose decoder guesses, the likeliest token each time; it outlives the speculation. NULL: what followed, where the
       longest end of the text, of 2 tokens at least, stood before for the last time. */
    const sib_job *draft;
} sib_speculation_options;

/* Makes a speculation for runs of this job, which use it by sib_job_run_options.speculation. It is for the first call of
   the job whose caches are written with the operator Attention, such as `sibyl import` makes of Llama's and GPT-2's
   families, so that what was read of wrong guesses counts for nothing; a draft needs such a call too, and the vocabulary of
   the job. options: may be NULL. out: owned by the caller, sib_speculation_free(&s), before the job.
   Errors: SIB_ERR_UNSUPPORTED (the state of the job's decoder, or of the draft's, that cannot be cut back),
   SIB_ERR_ARGUMENT (the vocabularies differ, max_guesses), SIB_ERR_MEMORY. */
SIB_API sib_code sib_speculation_create(const sib_job *j, const sib_speculation_options *options,
                                        sib_speculation **out, sib_error *err);
/* The runs that use it must have ended. */
SIB_API void sib_speculation_free(sib_speculation **s);

typedef struct sib_speculation_info {
    uint64_t steps;    /* so far: of the model, with guesses or without */
    uint64_t guessed;  /* tokens read on a guess */
    uint64_t accepted; /* of these, those that were chosen: steps that were saved */
} sib_speculation_info;
/* Thread-safe. */
SIB_API void sib_speculation_get_info(sib_speculation *s, sib_speculation_info *out);

#ifdef __cplusplus
}
#endif
#endif
