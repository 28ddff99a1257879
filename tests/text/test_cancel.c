/* Long texts whose encoding is cancelled midway, by each kind of tokenizer. */
#include "cancel_later.h"
#include "check_memory.h"
#include "seeds.h"
#include "text/vocab/token_ids.h"

#include <sibyl/text.h>

#define BYTES   ((size_t)1 << 19)
#define SOON_US 2000 /* until the call is cancelled first */

static const struct seed {
    const char *name, *file, *word;
} seeds[] = {{"byte-level BPE", byte_bpe, "ab aba "},    {"BPE of characters", llama, "hi hhi "},
             {"Unigram", unigram_model, "ab baab "},     {"WordPiece", bert, "unable cafe "},
             {"pieces by scores", scored, "ab baab "},   {"pieces by Unigram", trimmed, "ab  bab "},
             {"pieces by merges", merged, "ab abb 11 "}, {"RWKV", world, "aab\n"}};

static char *text_of(const char *word)
{
    const size_t n = strlen(word);
    char *text = mem_alloc(BYTES, 1);
    assert_non_null(text);
    for (size_t i = 0; i < BYTES; i++)
        text[i] = word[i % n];
    return text;
}

static sib_code encode_cancelled(const sib_tokenizer *t, const char *text, unsigned us, double *late)
{
    sib_error err = SIB_ERROR_INIT;
    size_t n;
    int32_t *ids;
    cancel_later l;
    cancel_later_begin(&l, us);
    sib_code code =
        tokenizer_encode(t, (sib_str){text, BYTES}, SIB_SPECIAL_AS_TEXT, l.cancel, &ids, &n, &err);
    *late = cancel_later_end(&l);
    sib_free(ids);
    return code;
}

TEST(tokenizers_heed_cancel)
{
    size_t failed = 0;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        sib_error err = SIB_ERROR_INIT;
        sib_tokenizer *t = NULL;
        CHECK_OK(
            sib_tokenizer_open_bytes(seeds[i].name, seeds[i].file, strlen(seeds[i].file), NULL, &t, &err),
            err);
        char *text = text_of(seeds[i].word);
        sib_code code = SIB_OK;
        double late = 0;
        for (unsigned try = 0; try < CANCEL_TRIES && code == SIB_OK; try++)
            code = encode_cancelled(t, text, cancel_sooner(SOON_US, try), &late);
        if ((code != SIB_ERR_CANCELLED || late > HEEDED_S) && ++failed)
            print_error("%s: %s after %.3f s, expected cancelled\n", seeds[i].name, sib_code_name(code),
                        late);
        mem_free(text);
        sib_tokenizer_free(&t);
    }
    assert_int_equal(failed, 0);
}
