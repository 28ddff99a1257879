/* The kinds of tokenizers. */
#include "text/vocab/tokenizer.h"

static const tokenizer_kind *const kinds[] = {&tokenizer_sentencepiece, &tokenizer_whisper, &tokenizer_gpt2,
                                              &tokenizer_pieces,        &tokenizer_json,    &tokenizer_rwkv,
                                              &tokenizer_bytes};

const tokenizer_kind *tokenizer_kind_at(size_t i)
{
    return i < sizeof kinds / sizeof *kinds ? kinds[i] : NULL;
}
