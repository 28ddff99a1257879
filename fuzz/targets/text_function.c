/* A function in ONNX's textual syntax. */
#include "onnx/text_function.h"
#include "fuzz.h"

static sib_code count(void *context, const text_function *f, sib_error *err)
{
    (void)err;
    *(size_t *)context += f->bytes.length;
    return SIB_OK;
}

void fuzz_text_function(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    size_t bytes = 0;
    fuzz_code(text_functions_read((sib_str){(const char *)data, n}, "fuzz", count, &bytes, &err), &err);
}
