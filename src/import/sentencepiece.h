/* Files of SentencePiece beside a checkpoint, as tokenizers: ids and tokens around a text as transformers' class of
   tokenizers gives them. */
#ifndef IMPORT_SENTENCEPIECE_H
#define IMPORT_SENTENCEPIECE_H

#include "base/buffer.h"
#include "import/model/build.h"

/* *out: the file's path beside the checkpoint (tokenizer.model, spiece.model, sentencepiece.bpe.model, spm.model, source.spm,
   spm_char.model),
   to be released with mem_free; NULL where there is none. Error: SIB_ERR_MEMORY. */
sib_code sentencepiece_find(const build *b, char **out, sib_error *err);

/* Appends a tokenizer.json with the file in it (text/json/pieces_model.h). What is done with its pieces depends on
   "tokenizer_class" in the checkpoint's tokenizer_config.json, or else on its model_type. Errors: SIB_ERR_IO,
   SIB_ERR_FORMAT, SIB_ERR_UNSUPPORTED (a class that is not known, by name), SIB_ERR_VALUE (a token that must stand around
   texts is in no list), SIB_ERR_MEMORY. */
sib_code sentencepiece_document(const build *b, const char *path, byte_buffer *out, sib_error *err);

/* Appends bytes in base64 (RFC 4648). */
void base64_add(byte_buffer *out, sib_str s, sib_error *err);

#endif
