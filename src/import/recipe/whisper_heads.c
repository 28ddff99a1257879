/* Cross-attention heads that follow the words in the models published by OpenAI, found by OpenAI on data with
   known times (openai-whisper 20250625). large-v1 and large-v2 have one shape but different heads, so only
   the generation_config.json in their folders gives them. */
#include "import/recipe/whisper_heads.h"

#include <stdio.h>
#include <string.h>

/* Layer, head, layer, head, ... */
static const struct {
    int64_t n_text_layer, n_text_head, n_vocab;
    const char *heads;
} published[] = {{4, 6, 51864, /* tiny.en */
                  "[1, 0, 2, 0, 2, 5, 3, 0, 3, 1, 3, 2, 3, 3, 3, 4]"},
                 {4, 6, 51865, /* tiny */
                  "[2, 2, 3, 0, 3, 2, 3, 3, 3, 4, 3, 5]"},
                 {6, 8, 51864, /* base.en */
                  "[3, 3, 4, 7, 5, 1, 5, 5, 5, 7]"},
                 {6, 8, 51865, /* base */
                  "[3, 1, 4, 2, 4, 3, 4, 7, 5, 1, 5, 2, 5, 4, 5, 6]"},
                 {12, 12, 51864, /* small.en */
                  "[6, 6, 7, 0, 7, 3, 7, 8, 8, 2, 8, 5, 8, 7, 9, 0, 9, 4, 9, 8, 9, 10, 10, 0, 10, 1, 10, 2, "
                  "10, 3, 10, 6, 10, 11, 11, 2, 11, 4]"},
                 {12, 12, 51865, /* small */
                  "[5, 3, 5, 9, 8, 0, 8, 4, 8, 7, 8, 8, 9, 0, 9, 7, 9, 9, 10, 5]"},
                 {24, 16, 51864, /* medium.en */
                  "[11, 4, 14, 1, 14, 12, 14, 14, 15, 4, 16, 0, 16, 4, 16, 9, 17, 12, 17, 14, 18, 7, 18, 10, "
                  "18, 15, 20, 0, 20, 3, 20, 9, 20, 14, 21, 12]"},
                 {24, 16, 51865, /* medium */
                  "[13, 15, 15, 4, 15, 15, 16, 1, 20, 0, 23, 4]"},
                 {32, 20, 51866, /* large-v3 */
                  "[7, 0, 10, 17, 12, 18, 13, 12, 16, 1, 17, 14, 19, 11, 21, 4, 24, 1, 25, 6]"},
                 {4, 20, 51866, /* large-v3-turbo */
                  "[2, 4, 2, 11, 3, 3, 3, 6, 3, 11, 3, 14]"}};

/* The heads in the checkpoint (generation_config.json, "alignment_heads": [[2, 2], [3, 0], ...]) as text;
   returns false where it has none. */
static bool heads_of_checkpoint(const checkpoint *c, char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0;; i++) {
        char key[40];
        snprintf(key, sizeof key, "alignment_heads.%zu", i);
        const fact *pair = checkpoint_fact(c, key);
        if (!pair || pair->kind != FACT_INT || pair->n != 2 || size - used < 64)
            break;
        used += (size_t)snprintf(text + used, size - used, "%s%lld, %lld", i ? ", " : "[",
                                 (long long)pair->ints[0], (long long)pair->ints[1]);
    }
    if (used)
        snprintf(text + used, size - used, "]");
    return used > 0;
}

void whisper_add_heads(build *b, int64_t n_text_layer, int64_t n_text_head, int64_t n_vocab)
{
    char text[1024];
    if (heads_of_checkpoint(b->c, text, sizeof text)) {
        build_add_metadata(b, "alignment_heads", "%s", text);
        return;
    }
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        if (published[i].n_text_layer == n_text_layer && published[i].n_text_head == n_text_head &&
            published[i].n_vocab == n_vocab)
            build_add_metadata(b, "alignment_heads", "%s", published[i].heads);
}
