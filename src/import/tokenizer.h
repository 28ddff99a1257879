/* The tokenizer of a model: a file beside it, named after it, and what the model's metadata say of it. */
#ifndef IMPORT_TOKENIZER_H
#define IMPORT_TOKENIZER_H

#include "base/outfile.h"
#include "import/build.h"

/* On its way to disk; nothing to write where `kind` is NULL or needs no file. */
typedef struct import_tokenizer {
    const char *kind; /* as in sib_tokenizer_options */
    outfile file;
    bool begun;
} import_tokenizer;

/* Finds the tokenizer: the file `given` (NULL: none), the checkpoint's own (GGUF's pieces, whisper.cpp's words), a
   tokenizer.json beside the checkpoint, or single bytes where the vocabulary is 256 words without one. Says "tokenizer", and
   "begin_tokens" and "stop_tokens" where the checkpoint has them, in the model's metadata, and writes the file aside that will stand
   beside `out` (NULL: none will). A checkpoint without a tokenizer is no failure. t: tokenizer_commit or tokenizer_abort.
   Errors: SIB_ERR_IO, and those of sib_tokenizer_open. */
sib_code tokenizer_begin(import_tokenizer *t, build *b, const char *given, const char *out, sib_error *err);
/* The file appears. Ends t either way. */
sib_code tokenizer_commit(import_tokenizer *t, sib_error *err);
void tokenizer_abort(import_tokenizer *t);

#endif
