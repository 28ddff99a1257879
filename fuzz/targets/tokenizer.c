/* A tokenizer of any kind, and a text: the file, a line of three dashes, the text. What it encodes it must decode. */
#include "fuzz.h"

#include <sibyl/text.h>
#include <string.h>

static const char usual[] =
    "  Hello h\xC3\xA9llo <s>tab ab 12345 ABab\n\txyz \xEF\xAC\x81 e\xCC\x81 \xE4\xB8\xAD\xFF "
    "\xF0\x9F\x98\x80 don't ... aaaaaaaaaaaaaaaa";

static void both_ways(const sib_tokenizer *t, const char *text, size_t n, sib_special specials)
{
    sib_error err = SIB_ERROR_INIT;
    int32_t *ids = NULL;
    char *back = NULL;
    size_t n_ids = 0, size = 0;
    sib_code code = sib_tokenizer_encode(t, text, n, specials, &ids, &n_ids, &err);
    fuzz_code(code, &err);
    if (code == SIB_OK &&
        sib_tokenizer_decode(t, ids, n_ids, specials != SIB_SPECIAL_AS_TEXT, &back, &size, &err) != SIB_OK &&
        err.code != SIB_ERR_SIZE && err.code != SIB_ERR_UNSUPPORTED)
        fuzz_fail("ids that it gave are not decoded: %s", err.message);
    sib_free(ids);
    sib_free(back);
}

void fuzz_tokenizer(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tokenizer *t = NULL;
    sib_tokenizer_info info;
    size_t n_file, n_text;
    const uint8_t *text;
    if (!fuzz_cut(data, n, "---", &n_file, &text, &n_text)) {
        text = (const uint8_t *)usual;
        n_text = strlen(usual);
    }
    sib_code code = sib_tokenizer_open_bytes("fuzz", data, n_file, NULL, &t, &err);
    fuzz_code(code, &err);
    if (code != SIB_OK)
        return;
    sib_tokenizer_get_info(t, &info);
    for (int32_t id = 0; (size_t)id < info.n_vocab && id < 64; id++) {
        const char *bytes;
        size_t size;
        bool special;
        if (sib_tokenizer_token(t, id, &bytes, &size, &special))
            sib_tokenizer_find(t, bytes, size);
    }
    both_ways(t, (const char *)text, n_text, SIB_SPECIAL_AS_TEXT);
    both_ways(t, (const char *)text, n_text, SIB_SPECIAL_AS_TOKENS);
    sib_tokenizer_free(&t);
}
