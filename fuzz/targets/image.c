/* An image's file, through ImageDecoder on `ref`. */
#include "fuzz.h"

#include <sibyl/build.h>
#include <sibyl/session.h>

static sib_code build(sib_build *b, sib_error *err)
{
    const char *x = "x", *y = "y", *format = "RGB";
    const int64_t dims = -1;
    const sib_str text = {format, 3};
    const sib_attribute attribute = {
        .name = "pixel_format", .kind = SIB_ATTRIBUTE_STRING, .n = 1, .strings = &text};
    const sib_build_node node = {.type = "ImageDecoder",
                                 .n_inputs = 1,
                                 .n_outputs = 1,
                                 .n_attributes = 1,
                                 .inputs = &x,
                                 .outputs = &y,
                                 .attributes = &attribute};
    sib_code code = sib_build_input(b, x, SIB_U8, 1, &dims, NULL, err);
    if (code == SIB_OK)
        code = sib_build_add(b, &node, err);
    return code == SIB_OK ? sib_build_output(b, y, err) : code;
}

static sib_session *decoder(void)
{
    static sib_session *s;
    sib_error err = SIB_ERROR_INIT;
    sib_build *b = NULL;
    sib_model *m = NULL;
    const sib_session_options options = {.backends = "ref", .threads = 1, .memory_limit = 128u << 20};
    if (s)
        return s;
    if (sib_build_create(20, &b, &err) != SIB_OK || build(b, &err) != SIB_OK ||
        sib_build_model(&b, &m, &err) != SIB_OK || sib_session_create(m, &options, &s, &err) != SIB_OK)
        fuzz_fail("no decoder: %s", err.message);
    sib_model_free(&m);
    return s;
}

void fuzz_image(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    const int64_t dims = (int64_t)n;
    sib_tensor *t = NULL;
    sib_value *v = NULL, *out = NULL;
    if (sib_tensor_wrap(SIB_U8, 1, &dims, NULL, (void *)data, NULL, NULL, &t, &err) != SIB_OK ||
        sib_value_from_tensor(t, &v, &err) != SIB_OK)
        fuzz_fail("no input: %s", err.message);
    const sib_named_value given = {"x", v};
    fuzz_code(sib_session_run(decoder(), 1, &given, 0, NULL, &out, NULL, &err), &err);
    sib_value_free(&out);
    sib_value_free(&v);
    sib_tensor_free(&t);
}
