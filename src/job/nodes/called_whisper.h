/* The calls of a node of Whisper's as the model that its procedure asks. */
#ifndef JOB_NODES_CALLED_WHISPER_H
#define JOB_NODES_CALLED_WHISPER_H

#include "job/nodes/nodes.h"
#include "job/whisper/whisper.h"

/* The first inputs of such a node; the last of them only of one that may have an aligner. */
enum {
    WHISPER_IN_AUDIO,
    WHISPER_IN_N_TEXT_CTX,
    WHISPER_IN_MULTILINGUAL,
    WHISPER_IN_ALIGNMENT_HEADS,
    WHISPER_IN_OPTIONS
};

typedef struct called_whisper {
    const job_step *s;
    whisper_model m;     /* its functions make the calls encoder, decoder and aligner of s */
    int32_t (*heads)[2]; /* (m.n_alignment_heads) or NULL */
} called_whisper;

/* m.align is NULL where the node has no aligner. called_whisper_clear(c) in any case; c must not be moved. Errors:
   SIB_ERR_ARGUMENT names the call and what it lacks, or the input. */
sib_code called_whisper_make(const job_step *s, called_whisper *c, sib_error *err);
void called_whisper_clear(called_whisper *c);

#endif
