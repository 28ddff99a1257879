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
/* The tokenizer's path in the document, relative to the model's folder, or as given. kind: NULL where the file says it. */
sib_code maker_put_tokenizer(const maker *k, const char *kind);

/* exported.c: decoders as other programs export them, found by names and shapes. */
bool exported_decoder_fits(const maker *k);
sib_code exported_decoder_make(const maker *k);

#endif
