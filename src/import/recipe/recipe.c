#include "import/recipe/recipe.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const recipe recipes[] = {
    {"whisper",
     "speech to text: an encoder of audio and a decoder of tokens (OpenAI, Hugging Face, whisper.cpp)",
     recipe_is_whisper, recipe_whisper},
    {"gpt2", "text: GPT-2 (Hugging Face)", recipe_is_gpt2, recipe_gpt2},
    {"rwkv", "text: RWKV 4, 5.2, 6 and 7 (BlinkDL, rwkv.cpp)", recipe_is_rwkv, recipe_rwkv},
    {"llama", "text: Llama, Mistral, Qwen2, Qwen3 (Hugging Face, GGUF)", recipe_is_llama, recipe_llama},
};
#define N_RECIPES (sizeof recipes / sizeof *recipes)

const char *sib_recipe_name(size_t i, const char **meaning)
{
    if (i >= N_RECIPES)
        return NULL;
    if (meaning)
        *meaning = recipes[i].meaning;
    return recipes[i].name;
}

static sib_code no_such_recipe(const char *name, sib_error *err)
{
    char names[200] = "";
    size_t used = 0;
    for (size_t i = 0; i < N_RECIPES && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", recipes[i].name);
    return err_set(err, SIB_ERR_ARGUMENT, "'%s' is not a recipe; the recipes are %s", name, names);
}

static sib_code not_recognised(const checkpoint *c, sib_error *err)
{
    char names[200] = "";
    size_t used = 0, n = checkpoint_weights(c);
    for (size_t i = 0; i < n && i < 3 && used < sizeof names; i++) {
        sib_str s = checkpoint_weight(c, i)->name;
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%.*s", i ? ", " : "",
                                 (int)(s.length < 60 ? s.length : 60), s.data);
    }
    return err_set(err, SIB_ERR_UNSUPPORTED, "%s: no recipe is for a model with these %zu weights (%s%s)",
                   checkpoint_file(c, 0), n, names, n > 3 ? ", ..." : "");
}

sib_code recipe_find(const checkpoint *c, const char *name, const recipe **out, sib_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < N_RECIPES && !*out; i++)
        if (name ? !strcmp(recipes[i].name, name) : recipes[i].recognise(c))
            *out = &recipes[i];
    if (*out)
        return SIB_OK;
    return name ? no_such_recipe(name, err) : not_recognised(c, err);
}
