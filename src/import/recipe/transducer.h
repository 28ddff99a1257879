/* What follows an encoder of speech in transducers (Graves 2012): a prediction network of LSTMs over the tokens so far, and a
   joint network that scores the outputs, and of TDT (Xu et al. 2023) durations, for a frame and what was predicted. Weights
   have the names of Parakeet in transformers. */
#ifndef IMPORT_RECIPE_TRANSDUCER_H
#define IMPORT_RECIPE_TRANSDUCER_H

#include "import/model/build.h"

typedef struct transducer {
    int64_t d, width, layers; /* d: of the encoder's frames; width: of all behind it */
    int64_t n_vocab, blank, begin, max_symbols;
    int64_t n_durations; /* 0, 1, ... n - 1 frames; 0: an output does not say how many frames it takes */
    build_activation act;
} transducer;

/* Reads the dimensions; ones that do not fit fail. d: of the encoder's frames. */
transducer transducer_read(build *b, int64_t d);
/* Adds "blank", "vocabulary" and the other metadata that the node `transduce` is made from. */
void transducer_add_metadata(build *b, const transducer *t);
/* Ends the graph of frames x [B, N, d], and adds two more, without an edge between the three:
   encoder    x -> encoded [B, N, width]
   predictor  token [S], state.i.hidden, state.i.cell [S, width] -> predicted [S, width], next.i.hidden, next.i.cell
   joiner     frame [F, width], prediction [F, width] -> logits [F, n_vocab + n_durations] */
void transducer_build(build *b, const transducer *t, value_id x);

#endif
