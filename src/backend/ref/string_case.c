/* Changes the case of strings. */
#include "backend/ref/kernel.h"
#include "backend/ref/text_case.h"

static sib_code case_one(const ref_call *c, sib_str from, bool upper, sib_str *to)
{
    size_t room;
    if (!size_mul(from.length, TEXT_CASE_GROWTH, &room))
        return ref_fail(c, SIB_ERR_SIZE, "a string of %zu bytes is too long", from.length);
    char *text = mem_alloc(room, 1);
    if (!text)
        return ref_no_memory(c, room);
    sib_code code = tensor_put_string(to, (sib_str){text, text_case(from, upper, text)}, c->err);
    mem_free(text);
    return code;
}

/* The letters of ASCII alone. */
static sib_code ascii_case_one(const ref_call *c, sib_str from, bool upper, sib_str *to)
{
    char first = upper ? 'a' : 'A';
    sib_code code = tensor_put_string(to, from, c->err);
    char *text = code == SIB_OK ? (char *)to->data : NULL;
    for (size_t i = 0; text && i < from.length; i++)
        if (text[i] >= first && text[i] <= first + 25)
            text[i] = (char)(text[i] ^ 0x20);
    return code;
}

sib_code ref_string_case(const ref_call *c)
{
    const sib_tensor *x = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    milli_string_case_spec spec = spec_milli_string_case(c->node);
    sib_code code = SIB_OK;
    for (size_t i = 0; out && i < x->count && code == SIB_OK; i++)
        code = (spec.ascii ? ascii_case_one : case_one)(c, ((const sib_str *)x->data)[i], spec.upper,
                                                        (sib_str *)out->data + i);
    return code;
}
