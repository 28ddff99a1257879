/* A plug-in with the operators of own_operator.c, defined in other ways:
       cc -shared -fPIC plugin.c -o plugin.so $(pkg-config --cflags sibyl)
       sibyl run model.onnx --plugin plugin.so -i x=-1,0,1,2 */
#include <sibyl/extend.h>
#include <string.h>

/* Clamp as a lowering. */
static sib_code clamp_lower(void *context, sib_lowering *l, sib_error *err)
{
    (void)context;
    (void)err;
    sib_mval x = sib_lowering_input(l, 0);
    double high = sib_node_float(sib_lowering_node(l), "high", 1);
    x = sib_milli_binary(l, "max", x, sib_milli_number(l, x, -high));
    sib_lowering_output(l, 0, sib_milli_binary(l, "min", x, sib_milli_number(l, x, high)));
    return SIB_OK;
}

/* Swish as an ONNX function in text. */
static const char swish[] = "<domain: \"my.dom\", opset_import: [\"\" : 20]>\n"
                            "Swish (x) => (y)\n"
                            "{\n"
                            "    gate = Sigmoid (x)\n"
                            "    y = Mul (x, gate)\n"
                            "}\n";

SIB_PLUGIN(registry, err)
{
    const sib_operator clamp = {
        .domain = "my.dom", .name = "Clamp", .min_inputs = 1, .max_inputs = 1, .lower = clamp_lower};
    sib_code code = sib_operator_register(registry, &clamp, err);
    return code == SIB_OK ? sib_function_register_text(registry, swish, strlen(swish), "plugin.c", err)
                          : code;
}
