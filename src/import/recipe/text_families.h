/* Families of decoders of text: what config.json says of each, as a text_decoder. */
#ifndef IMPORT_RECIPE_TEXT_FAMILIES_H
#define IMPORT_RECIPE_TEXT_FAMILIES_H

#include "import/recipe/text_decoder.h"

typedef struct text_config {
    build *b;
    bool gguf;
    sib_str kind; /* model_type, or GGUF's general.architecture; "" where the checkpoint does not say it */
} text_config;

/* A number that config.json stores under `key`, and GGUF under "<architecture>.<theirs>". */
int64_t text_config_int(const text_config *t, const char *key, const char *theirs, int64_t otherwise);
double text_config_float(const text_config *t, const char *key, const char *theirs, double otherwise);

/* Those of text_mixed_families.c. */
void text_set_deepseek2(const text_config *t, text_decoder *m);
void text_set_deepseek3(const text_config *t, text_decoder *m);
void text_set_lfm2(const text_config *t, text_decoder *m);
void text_set_qwen3_next(const text_config *t, text_decoder *m);
/* Those of text_state_families.c. */
void text_set_bamba(const text_config *t, text_decoder *m);
void text_set_granite_hybrid(const text_config *t, text_decoder *m); /* but for Granite's scales */
void text_set_falcon_h1(const text_config *t, text_decoder *m);
void text_set_jamba(const text_config *t, text_decoder *m);

typedef struct text_family {
    const char *type;         /* Hugging Face's model_type */
    const char *architecture; /* GGUF's; NULL: not read from it */
    /* Sets what differs from Llama; heads, n_ctx and epsilon are read. */
    void (*set)(const text_config *t, text_decoder *m);
    const build_rename *gguf;    /* GGUF's names */
    bool permuted;               /* there the halves of queries' and keys' heads are interleaved */
    const char *refused;         /* a setting that must not be true; NULL: none */
    const build_rename *renames; /* Hugging Face's names; NULL: Llama's */
} text_family;

/* The family of t->kind, Llama's where that is "". NULL, and the build has failed: another, or one that cannot be read from
   this checkpoint. */
const text_family *text_family_find(const text_config *t);

#endif
