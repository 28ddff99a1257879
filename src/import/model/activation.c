/* Activations, by the names that config.json has for them. */
#include "import/model/build.h"

#include <math.h>

static value_id quick_gelu(build *b, value_id x)
{
    return build_mul(b, x, build_1(b, "Sigmoid", build_mul(b, x, build_float(b, 1.702))));
}

value_id build_activate(build *b, build_activation kind, value_id x)
{
    switch (kind) {
    case BUILD_SILU:
        return build_silu(b, x);
    case BUILD_RELU:
        return build_1(b, "Relu", x);
    case BUILD_TANH:
        return build_1(b, "Tanh", x);
    case BUILD_QUICK_GELU:
        return quick_gelu(b, x);
    case BUILD_GELU:
    case BUILD_GELU_TANH:
        break;
    }
    return build_gelu(b, x, kind == BUILD_GELU_TANH);
}

build_activation build_activation_named(build *b, sib_str name)
{
    static const struct {
        const char *name;
        build_activation is;
    } all[] = {{"gelu", BUILD_GELU},
               {"silu", BUILD_SILU},
               {"swish", BUILD_SILU},
               {"gelu_pytorch_tanh", BUILD_GELU_TANH},
               {"gelu_new", BUILD_GELU_TANH},
               {"gelu_fast", BUILD_GELU_TANH},
               {"quick_gelu", BUILD_QUICK_GELU},
               {"relu", BUILD_RELU},
               {"tanh", BUILD_TANH}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (str_is(name, all[i].name))
            return all[i].is;
    build_fail(b, SIB_ERR_UNSUPPORTED, "%s: the activation '%.*s' is not supported", checkpoint_file(b->c, 0),
               (int)(name.length < 60 ? name.length : 60), name.data);
    return BUILD_GELU;
}
