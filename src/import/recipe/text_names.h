/* Names of weights of decoders of text where they are not Hugging Face's of Llama, which the graph is built from. */
#ifndef IMPORT_RECIPE_TEXT_NAMES_H
#define IMPORT_RECIPE_TEXT_NAMES_H

#include "import/model/build.h"

/* GGUF's; behind: where post_attention_layernorm is behind attention. */
extern const build_rename text_names_gguf[], text_names_gguf_behind[];
/* Hugging Face's of other families. */
extern const build_rename text_names_neox[], text_names_bloom[], text_names_gptj[], text_names_mpt[],
    text_names_stablelm[], text_names_mixtral[], text_names_granite_moe[], text_names_granite_moe_newer[],
    text_names_granite_dense[], text_names_opt[], text_names_deepseek[], text_names_lfm2[],
    text_names_bamba[];

#endif
