/* A tokenizer.json in parts, as it stands behind sib_tokenizer.state. */
#ifndef TEXT_TOKENIZER_JSON_H
#define TEXT_TOKENIZER_JSON_H

#include "text/added.h"
#include "text/bpe.h"
#include "text/decode_steps.h"
#include "text/normalize.h"
#include "text/split.h"
#include "text/tokenizer.h"
#include "text/unigram.h"
#include "text/wordpiece.h"

typedef struct json_tokenizer {
    normalizer *normalizer;
    splitter *splitter;
    decoder *decoder;
    bool byte_level;    /* the vocabulary is kept as bytes */
    piece_model *model; /* one of these */
    bpe bpe;
    unigram unigram;
    wordpiece wordpiece;
    added_list added;
    id_list before, behind; /* what the post-processor puts round a text */
} json_tokenizer;

/* Reads "model" into the vocabulary and j->model. Errors: as of opening. */
sib_code json_model_read(sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err);
/* Reads "added_tokens", the vocabulary being there. */
sib_code json_added_read(sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err);
/* Reads "post_processor". */
sib_code json_post_read(sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err);

#endif
