/* The parts of a tokenizer.json: the state of its kind (sib_tokenizer.state). */
#ifndef TEXT_JSON_JSON_TOKENIZER_H
#define TEXT_JSON_JSON_TOKENIZER_H

#include "text/bpe/bpe.h"
#include "text/json/added.h"
#include "text/json/pieces_model.h"
#include "text/json/wordpiece.h"
#include "text/pieces/unigram.h"
#include "text/steps/decode.h"
#include "text/steps/normalize.h"
#include "text/steps/split.h"
#include "text/vocab/tokenizer.h"

typedef struct json_tokenizer {
    normalizer *normalizer;
    splitter *splitter;
    decoder *decoder;
    bool byte_level;       /* the vocabulary holds bytes */
    pretoken_model *model; /* points to one of these */
    bpe bpe;
    unigram unigram;
    wordpiece wordpiece;
    pieces_model *pieces; /* or NULL: in place of the model, the splitter and the decoder */
    added_list added;
    token_ids before, after; /* ids that the post-processor adds around a text */
} json_tokenizer;

/* Reads "model" into the vocabulary and j->model. Errors: those of opening. */
sib_code json_model_read(sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err);
/* Reads "added_tokens". The vocabulary must be filled. */
sib_code json_added_read(sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err);
/* Reads "post_processor". */
sib_code json_post_read(sib_tokenizer *t, json_tokenizer *j, const json_part *p, sib_error *err);

#endif
