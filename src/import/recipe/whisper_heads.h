/* The cross-attention heads of a Whisper model that follow the words. */
#ifndef IMPORT_WHISPER_HEADS_H
#define IMPORT_WHISPER_HEADS_H

#include "import/model/build.h"

/* Adds "alignment_heads" to the model's metadata, "[layer, head, layer, head, ...]", where known: from the
   checkpoint, or those of the published model of this shape. */
void whisper_add_heads(build *b, int64_t n_text_layer, int64_t n_text_head, int64_t n_vocab);

#endif
