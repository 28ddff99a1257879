#include "import/recipe/recipe.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>

static const recipe recipes[] = {
    {"whisper",
     "speech to text: an encoder of audio and a decoder of tokens (OpenAI, Hugging Face, whisper.cpp)",
     "whisper", recipe_is_whisper, recipe_whisper},
    {"gpt2", "text: GPT-2 (Hugging Face)", "gpt2", recipe_is_gpt2, recipe_gpt2},
    {"rwkv", "text: RWKV 4, 5.2, 6 and 7 (BlinkDL, rwkv.cpp), 4 also of Hugging Face", "rwkv", recipe_is_rwkv,
     recipe_rwkv},
    {"mamba", "text: Mamba 1 and 2, Falcon Mamba (Hugging Face)", "mamba, mamba2, falcon_mamba",
     recipe_is_mamba, recipe_mamba},
    /* Before llama, which takes names like its own for its own. */
    {"t5", "text to text, an encoder and a decoder: T5, Flan-T5, mT5, UMT5 (Hugging Face)", "t5, mt5, umt5",
     recipe_is_t5, recipe_t5},
    {"bart",
     "text to text, an encoder and a decoder: BART, mBART, M2M-100, NLLB, Marian, Pegasus (Hugging Face)",
     "bart, mbart, m2m_100, marian, pegasus", recipe_is_bart, recipe_bart},
    {"llama",
     "text: Llama, Mistral, Mixtral, Qwen2 and 3, Gemma, Phi-3, OLMo 2, SmolLM3, Granite, StableLM, "
     "StarCoder2, Cohere, GPT-NeoX, "
     "Falcon, BLOOM, MPT (Hugging Face, GGUF), OPT, GPT-J, DeepSeek-V2 and V3, LFM2, Qwen3-Next (Hugging "
     "Face)",
     "llama, mistral, qwen2, qwen3, gemma, gemma2, gemma3_text, phi3, olmo2, smollm3, granite, stablelm, "
     "starcoder2, cohere, cohere2, mixtral, qwen2_moe, qwen3_moe, olmoe, granitemoe, granitemoeshared, "
     "gpt_neox, falcon, opt, bloom, gptj, mpt, deepseek_v2, deepseek_v3, lfm2, lfm2_moe, qwen3_next",
     recipe_is_llama, recipe_llama},
    {"bert",
     "vectors of text: BERT, RoBERTa, XLM-RoBERTa, CamemBERT, DistilBERT, ELECTRA, MPNet, ModernBERT, "
     "DeBERTa 2 and 3, ALBERT "
     "(Hugging Face, sentence-transformers)",
     "bert, roberta, xlm-roberta, camembert, distilbert, electra, mpnet, modernbert, deberta-v2, albert, "
     "xlm-roberta-xl",
     recipe_is_bert, recipe_bert},
    {"wav2vec2",
     "speech to text: wav2vec 2, its Conformer, HuBERT, WavLM, data2vec, UniSpeech with CTC heads (Hugging "
     "Face)",
     "wav2vec2, hubert, wavlm, data2vec-audio, unispeech, unispeech-sat, wav2vec2-conformer",
     recipe_is_wav2vec2, recipe_wav2vec2},
    {"moonshine", "speech to text: Moonshine (Hugging Face)", "moonshine", recipe_is_moonshine,
     recipe_moonshine},
    {"parakeet", "speech to text: Parakeet with CTC, TDT or RNN-T (Hugging Face)",
     "parakeet_ctc, parakeet_tdt, parakeet_rnnt", recipe_is_parakeet, recipe_parakeet},
    {"vits", "text to speech: VITS, MMS (Hugging Face)", "vits", recipe_is_vits, recipe_vits},
    {"speecht5", "text to speech: SpeechT5 with its vocoder (Hugging Face)", "speecht5", recipe_is_speecht5,
     recipe_speecht5},
    {"vit", "images: ViT, DeiT (Hugging Face)", "vit, deit", recipe_is_vit, recipe_vit},
    {"clip", "images and texts: CLIP, SigLIP (Hugging Face)", "clip, siglip", recipe_is_clip, recipe_clip},
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

/* "whisper, gpt2, rwkv, ...": names, or types of models. */
static void list_recipes(char out[1000], bool types)
{
    size_t used = 0;
    for (size_t i = 0; i < N_RECIPES && used < 1000; i++)
        used += (size_t)snprintf(out + used, 1000 - used, "%s%s", i ? ", " : "",
                                 types ? recipes[i].types : recipes[i].name);
}

static sib_code no_such_recipe(const char *name, sib_error *err)
{
    char names[1000];
    list_recipes(names, false);
    return err_set(err, SIB_ERR_ARGUMENT, "'%s' is not a recipe; the recipes are %s", name, names);
}

/* The kind of model that the checkpoint says it is, of no length where it says nothing. */
static sib_str model_type(const checkpoint *c)
{
    static const char *const keys[] = {"model_type", "general.architecture"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const fact *f = checkpoint_fact(c, keys[i]);
        if (f && !f->list && f->kind == FACT_STRING)
            return f->strings[0];
    }
    return str_of("");
}

static sib_code not_recognised(const checkpoint *c, sib_error *err)
{
    char names[200] = "", known[1000];
    size_t used = 0, n = checkpoint_weights(c);
    const sib_str type = model_type(c);
    list_recipes(known, true);
    if (type.length)
        return err_set(err, SIB_ERR_UNSUPPORTED,
                       "%s: no recipe is for models of the type '%.*s' (model_type); known are %s",
                       checkpoint_file(c, 0), (int)(type.length < 60 ? type.length : 60), type.data, known);
    for (size_t i = 0; i < n && i < 3 && used < sizeof names; i++) {
        sib_str s = checkpoint_weight(c, i)->name;
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%.*s", i ? ", " : "",
                                 (int)(s.length < 60 ? s.length : 60), s.data);
    }
    return err_set(err, SIB_ERR_UNSUPPORTED,
                   "%s: no recipe is for a model with these %zu weights (%s%s); known are %s",
                   checkpoint_file(c, 0), n, names, n > 3 ? ", ..." : "", known);
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
