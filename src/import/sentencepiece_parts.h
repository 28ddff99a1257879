/* What the files sentencepiece*.c share. */
#ifndef IMPORT_SENTENCEPIECE_PARTS_H
#define IMPORT_SENTENCEPIECE_PARTS_H

#include "import/model/build.h"
#include <sibyl/text.h>

#include <jansson.h>

/* What the ids of pieces are. */
typedef enum id_layout {
    IDS_OF_FILE,    /* their indices */
    IDS_OF_FAIRSEQ, /* <s>, <pad>, </s>, <unk>, and then the file's pieces from the fourth on */
    IDS_OF_VOCAB    /* those of vocab.json, which does not have all pieces */
} id_layout;

/* A token around a text: "bos" of tokenizer_config.json, with its name where that does not say it; "lang": the language of
   the text. */
typedef struct piece_around {
    const char *key, *name;
} piece_around;

#define MAX_AROUND 2

/* What a class of tokenizers of transformers (5.23) does. */
typedef struct piece_rule {
    const char *name, *types; /* the class, and the models (model_type) that have it */
    id_layout ids;
    piece_around before[MAX_AROUND], after[MAX_AROUND];
    bool optional;        /* those around a text may be left out (add_bos_token, add_eos_token) */
    bool prefix_first;    /* without "legacy" a space is prepended to the start of a text alone */
    const char *mask;     /* added where no list of added tokens has it */
    const char *language; /* by default; NULL: texts have none */
    bool wrapped;         /* languages are tokens as "__en__" */
} piece_rule;

typedef struct pieces_document {
    const build *b;
    const char *path; /* of the file */
    const piece_rule *rule;
    json_t *config, *special; /* tokenizer_config.json, special_tokens_map.json */
    json_t *vocab;            /* ids by name, or NULL: those of the file */
    json_t *added;            /* added tokens, a list */
    sib_tokenizer *file;
    int64_t next; /* the first id that no piece has */
    sib_error *err;
} pieces_document;

/* Sets d->rule, by the tokenizer's class or the model's type. Error: SIB_ERR_UNSUPPORTED, with those that are known. */
sib_code pieces_find_rule(pieces_document *d);
/* Reads a file of JSON beside the checkpoint; *out stays as it is where there is none. */
sib_code pieces_read_beside(pieces_document *d, const char *name, json_t **out);
/* Sets d->vocab and d->next. */
sib_code pieces_make_ids(pieces_document *d);
/* Fills d->added: "added_tokens_decoder" of tokenizer_config.json, or else what transformers adds by itself, and
   added_tokens.json. */
sib_code pieces_make_added(pieces_document *d);

/* The id of a name, an added token or one of the vocabulary; -1. */
int64_t pieces_id(const pieces_document *d, const char *name);
/* The name of a token under a key ("unk_token"), in either file; NULL. */
const char *pieces_token_name(const pieces_document *d, const char *key);
sib_code pieces_no_memory(pieces_document *d);

#endif
