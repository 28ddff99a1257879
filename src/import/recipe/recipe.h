/* Recipes: the graph for a checkpoint's weights. A recipe is a function that writes the graph in order with
   the functions of build.h. */
#ifndef IMPORT_RECIPE_H
#define IMPORT_RECIPE_H

#include "import/model/build.h"

typedef struct recipe {
    const char *name, *meaning;
    const char *types; /* model_type of config.json, general.architecture of GGUF: those that it is for */
    bool (*recognise)(const checkpoint *c);
    /* Builds inputs, nodes and outputs; errors stay in b. */
    void (*make)(build *b);
} recipe;

/* Finds the recipe called name, or the first that recognises c where name is NULL. Errors: SIB_ERR_ARGUMENT
   (unknown name, with the known ones), SIB_ERR_UNSUPPORTED (no recipe recognises c: its model_type, or the names of some
   weights, and the known types). */
sib_code recipe_find(const checkpoint *c, const char *name, const recipe **out, sib_error *err);

bool recipe_is_whisper(const checkpoint *c);
void recipe_whisper(build *b);
bool recipe_is_gpt2(const checkpoint *c);
void recipe_gpt2(build *b);
bool recipe_is_llama(const checkpoint *c);
void recipe_llama(build *b);
bool recipe_is_bert(const checkpoint *c);
void recipe_bert(build *b);
bool recipe_is_t5(const checkpoint *c);
void recipe_t5(build *b);
bool recipe_is_bart(const checkpoint *c);
void recipe_bart(build *b);
bool recipe_is_moonshine(const checkpoint *c);
void recipe_moonshine(build *b);
bool recipe_is_parakeet(const checkpoint *c);
void recipe_parakeet(build *b);
bool recipe_is_mamba(const checkpoint *c);
void recipe_mamba(build *b);
void recipe_mamba2(build *b); /* mamba's, for Mamba 2 */
bool recipe_is_wav2vec2(const checkpoint *c);
void recipe_wav2vec2(build *b);
bool recipe_is_vits(const checkpoint *c);
void recipe_vits(build *b);
bool recipe_is_speecht5(const checkpoint *c);
void recipe_speecht5(build *b);
bool recipe_is_vit(const checkpoint *c);
void recipe_vit(build *b);
bool recipe_is_clip(const checkpoint *c);
void recipe_clip(build *b);
bool recipe_is_rwkv(const checkpoint *c);
void recipe_rwkv(build *b);

#endif
