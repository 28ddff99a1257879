/* Tokenizers: text to token ids and back, exact on arbitrary bytes. */
#ifndef SIBYL_TEXT_H
#define SIBYL_TEXT_H

#include <sibyl/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sib_tokenizer sib_tokenizer;

typedef struct sib_tokenizer_options {
    /* "gpt2", "whisper" (tiktoken ranks, each with its special tokens), "tokenizer.json", "rwkv-world",
       "pieces", "sentencepiece" (its model files), "bytes"; NULL: recognised by the file's bytes, where ranks are "whisper" if n_vocab has room
       for its special tokens, otherwise "gpt2". */
    const char *kind;
    /* Number of ids of the model, special ones included; 0: as many as the file has. With "whisper" it
       determines the number of languages: n_vocab less the ranks and 1,509 others; 99 where it is 0. */
    size_t n_vocab;
} sib_tokenizer_options;

/* Opens a tokenizer's file; "bytes" needs none (path NULL). options: may be NULL. out: owned by the caller,
   sib_tokenizer_free(&t). Errors: SIB_ERR_IO, SIB_ERR_FORMAT naming the entry and its position, SIB_ERR_SIZE,
   SIB_ERR_UNSUPPORTED (an unknown part of a tokenizer.json, by name), SIB_ERR_MEMORY. */
SIB_API sib_code sib_tokenizer_open(const char *path, const sib_tokenizer_options *options,
                                    sib_tokenizer **out, sib_error *err);
/* The same from memory, which need not outlive the call. name: for messages. */
SIB_API sib_code sib_tokenizer_open_bytes(const char *name, const void *data, size_t size,
                                          const sib_tokenizer_options *options, sib_tokenizer **out,
                                          sib_error *err);
SIB_API void sib_tokenizer_free(sib_tokenizer **t);
/* Returns t with another reference, which sib_tokenizer_free drops. Thread-safe. */
SIB_API sib_tokenizer *sib_tokenizer_keep(const sib_tokenizer *t);

typedef struct sib_tokenizer_info {
    const char *kind; /* as in the options */
    size_t n_vocab;   /* ids are below this; some may have no token */
} sib_tokenizer_info;
SIB_API void sib_tokenizer_get_info(const sib_tokenizer *t, sib_tokenizer_info *out);

typedef enum sib_special {
    SIB_SPECIAL_AS_TEXT,   /* "<|endoftext|>" in the text is text like any other */
    SIB_SPECIAL_AS_TOKENS, /* special tokens are found in the text */
    SIB_SPECIAL_FOUND      /* the same, and none is added in front or behind: prompts of chats have theirs */
} sib_special;

/* Encodes a text of any bytes. *ids: (*n), release with sib_free. Thread-safe on one tokenizer. The
   post-processor of a tokenizer.json ("[CLS]" in front) applies with SIB_SPECIAL_AS_TOKENS.
   Errors: SIB_ERR_SIZE, SIB_ERR_VALUE (bytes that the tokenizer has no token for, with the offset),
   SIB_ERR_MEMORY. */
SIB_API sib_code sib_tokenizer_encode(const sib_tokenizer *t, const char *text, size_t size,
                                      sib_special specials, int32_t **ids, size_t *n, sib_error *err);
/* Decodes ids to bytes. skip_special: special tokens give nothing, otherwise their names. *text: (*size)
   followed by a NUL, release with sib_free. Errors: SIB_ERR_VALUE (an id without a token), SIB_ERR_MEMORY. */
SIB_API sib_code sib_tokenizer_decode(const sib_tokenizer *t, const int32_t *ids, size_t n, bool skip_special,
                                      char **text, size_t *size, sib_error *err);

/* The bytes of a token ("<|endoftext|>" for a special one), owned by the tokenizer. Returns false where the
   id has no token. */
SIB_API bool sib_tokenizer_token(const sib_tokenizer *t, int32_t id, const char **bytes, size_t *size,
                                 bool *special);
/* The id of these bytes as one token, special ones by name; -1 where there is none. */
SIB_API int32_t sib_tokenizer_find(const sib_tokenizer *t, const char *bytes, size_t size);

/* Whether text can be generated that is JSON of this schema (size bytes), as the input json_schema of jobs
   takes it. Errors: SIB_ERR_FORMAT (no JSON), SIB_ERR_VALUE (what a keyword says, or no value fits),
   SIB_ERR_UNSUPPORTED (a keyword, by name and place), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
SIB_API sib_code sib_json_schema_check(const char *schema, size_t size, sib_error *err);
/* The same of a grammar in llama.cpp's form, GBNF (docs/jobs.md), as the input `grammar` of jobs takes it. Errors:
   SIB_ERR_FORMAT with the line, SIB_ERR_VALUE (no text fits), SIB_ERR_UNSUPPORTED, SIB_ERR_SIZE, SIB_ERR_MEMORY. */
SIB_API sib_code sib_grammar_check(const char *text, size_t size, sib_error *err);

/* Whisper's languages in the order of their ids, i from 0. *code: "en", whose token is "<|en|>"; *name:
   "english". Static storage. Returns false where i is out of range. large-v3 has all of them, earlier
   versions one fewer. */
SIB_API bool sib_whisper_language(size_t i, const char **code, const char **name);

#ifdef __cplusplus
}
#endif
#endif
