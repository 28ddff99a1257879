/* The tokenizer of a model: a file next to it, named after it, and entries in the model's metadata. */
#ifndef IMPORT_TOKENIZER_H
#define IMPORT_TOKENIZER_H

#include "base/outfile.h"
#include "import/model/build.h"

/* A tokenizer before it is stored; nothing is written where `kind` is NULL or needs no file. */
typedef struct import_tokenizer {
    const char *kind; /* as in sib_tokenizer_options; "vocabulary": texts in the metadata */
    outfile file;
    bool begun;
} import_tokenizer;

/* Finds the tokenizer: the file `given` (NULL: none), the checkpoint's own (GGUF's pieces, whisper.cpp's
   vocabulary), a tokenizer.json or a file of SentencePiece next to the checkpoint, for a Whisper
   OpenAI's ranks (STEM.tiktoken, multilingual.tiktoken or gpt2.tiktoken, next to the checkpoint or in ~/.cache/whisper) where
   the import needs a tokenizer, or single bytes where the vocabulary has 256 entries
   and no tokenizer. Adds "tokenizer" to the model's metadata, and "begin_tokens" and "stop_tokens" where the
   checkpoint has them, and writes a temporary file for the one next to `out` (NULL: no file). A checkpoint
   without a tokenizer is a failure only where the import needs one. t: tokenizer_commit or tokenizer_abort.
   Stop tokens are all of GGUF's eos, eot and eom tokens; or those of config.json and generation_config.json.
   Errors: SIB_ERR_IO, those of sib_tokenizer_open, and SIB_ERR_FORMAT (a generation_config.json that cannot be read). */
sib_code tokenizer_begin(import_tokenizer *t, build *b, const char *given, const char *out, sib_error *err);
/* Renames the file into place. Ends t also where it fails. */
sib_code tokenizer_commit(import_tokenizer *t, sib_error *err);
void tokenizer_abort(import_tokenizer *t);

#endif
