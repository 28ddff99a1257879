/* What recipes of speech recognisers say of their input and, with a CTC head (Graves et al. 2006), their output: rate and
   normalisation of samples, and the texts of the head's outputs, from files next to the checkpoint. Texts become the metadata
   "vocabulary", a list of those of n_vocab outputs in JSON, "blank" and the rules of the node `ctc`. */
#ifndef IMPORT_CTC_H
#define IMPORT_CTC_H

#include "import/model/build.h"

/* The part of the processor that hears: sampling_rate and do_normalize of processor_config.json or
   preprocessor_config.json, 16000 Hz where there is neither; `normalize` then is `otherwise`, and true where they do not say. */
typedef struct ctc_front {
    int64_t rate;
    bool normalize; /* samples are given a mean of 0 and a variance of 1 */
} ctc_front;
ctc_front ctc_read_front(build *b, bool otherwise);
/* The processor's part that hears, as a new reference; NULL where there is none. */
struct json_t *ctc_processor(build *b);
/* The input "samples" [B, T], normalised where the front is. */
value_id ctc_samples(build *b, const ctc_front *f);

/* Adds to the metadata how logits become text, from vocab.json and tokenizer_config.json. Fails where a file is missing, cannot be read, or is of
   a tokenizer that is not built. */
void ctc_add_vocabulary(build *b, int64_t n_vocab);
/* The same from the pieces of a tokenizer.json, of which those that begin words begin with U+2581. Special tokens, and outputs
   without a piece, have the text of the blank. */
void ctc_add_pieces(build *b, int64_t n_vocab, int64_t blank);

/* Adds how samples become frames: "sample_rate", "frame_samples" from one frame to the next, "min_samples" of one frame. */
void ctc_add_frames(build *b, int64_t rate, int64_t frame, int64_t field);

#endif
