/* Seeds of tokenizers; apart from those of checkpoints, whose names differ in their headers. */
#include "seeds.h"
#include "text/ranks_text.h"
#include "text/seeds.h"

void write_tokenizers(void)
{
    static const struct {
        const char *name, *text;
    } texts[] = {{"byte_level", byte_bpe}, {"byte_fallback", llama}, {"unigram", unigram_model},
                 {"wordpiece", bert},      {"steps", stepped},       {"scores", scored},
                 {"trimmed", trimmed},     {"merges", merged},       {"rwkv", world}};
    static const char *const more[] = {"he", "ll", "llo", NULL};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        write_seed("tokenizer", texts[i].name, texts[i].text, strlen(texts[i].text));
    byte_buffer ranks = ranks_text(more);
    write_seed("tokenizer", "ranks", ranks.data, ranks.n);
    buf_free(&ranks);
}
