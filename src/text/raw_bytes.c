/* Bytes as tokens: id i is byte i. */
#include "text/vocab/tokenizer.h"

#include "base/error.h"

static sib_code open_bytes(sib_tokenizer *t, const text_source *source, sib_error *err)
{
    sib_code code = SIB_OK;
    if (source->bytes.length)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: bytes as tokens need no file", source->name);
    for (int i = 0; i < 256 && code == SIB_OK; i++) {
        char byte = (char)i;
        code = vocab_add(&t->vocab, i, (sib_str){&byte, 1}, 0, err);
    }
    return code;
}

static sib_code encode_bytes(const sib_tokenizer *t, sib_str text, sib_special specials, token_ids *out,
                             sib_error *err)
{
    (void)t;
    (void)specials;
    sib_code code = ids_reserve(out, text.length, err);
    for (size_t i = 0; i < text.length && code == SIB_OK; i++)
        out->ids[out->n++] = (uint8_t)text.data[i];
    return code;
}

const tokenizer_kind tokenizer_bytes = {.name = "bytes", .open = open_bytes, .encode = encode_bytes};
