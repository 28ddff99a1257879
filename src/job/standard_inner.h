/* What the files that make documents for models share. */
#ifndef JOB_STANDARD_INNER_H
#define JOB_STANDARD_INNER_H

#include <jansson.h>
#include <sibyl/job.h>

/* Inputs for making a document. */
typedef struct maker {
    const sib_model *m;
    const char *path, *tokenizer, *recipe; /* recipe: from the model's metadata, or "" */
    json_t *doc;
    sib_error *err;
} maker;

/* Puts value (whose reference it takes) at a path in the document, "a/b/c"; numbers are indices of a list. */
bool maker_put(json_t *at, const char *place, json_t *value);
/* SIB_OK, or the error where memory could not be allocated. */
sib_code maker_need(const maker *k, bool done);
bool maker_has_input(const maker *k, const char *name);
/* The model's metadata under a key, or NULL. */
const char *maker_metadata(const maker *k, const char *key);
/* The name in a path, and the length of a name before its last dot. */
const char *maker_base_name(const char *path);
int maker_stem_length(const char *name);
/* The name of the tokenizer in the model's folder, or above a folder onnx/, in found (size); NULL: there is none. */
const char *maker_find_tokenizer(const maker *k, char *found, size_t size);
/* The tokenizer's path in the document, relative to the model's folder, or as given. kind: NULL where the file says it. */
sib_code maker_put_tokenizer(const maker *k, const char *kind);

/* A text of a document, in which one that begins with a dollar sign has another before it. */
json_t *maker_literal(const char *text);

/* standard_speech.c: recognisers with a CTC head, transducers, and those with an encoder of samples and a decoder of tokens. */
bool ctc_fits(const maker *k);
sib_code ctc_make(const maker *k);
bool transducer_fits(const maker *k);
sib_code transducer_make(const maker *k);
bool seq2seq_fits(const maker *k);
sib_code seq2seq_make(const maker *k);
/* The same file: models that speak, in two parts. */
bool tts_fits(const maker *k);
sib_code tts_make(const maker *k);
/* The same file: models that speak, and make frames step by step. */
bool steps_fits(const maker *k);
sib_code steps_make(const maker *k);
/* standard_piper.c: voices that Piper exported. */
bool piper_fits(const maker *k);
sib_code piper_make(const maker *k);
/* Puts a list that the metadata hold as text under a key at a path. */
sib_code maker_put_list(const maker *k, const char *place, const char *key, const char *text);

/* exported.c: decoders as other programs export them, found by names and shapes. */
bool exported_decoder_fits(const maker *k);
sib_code exported_decoder_make(const maker *k);

#endif
