/* A plug-in with one operator, my.dom:Twice. */
#include <sibyl/extend.h>

static sib_code twice(void *context, sib_lowering *l, sib_error *err)
{
    (void)context;
    (void)err;
    sib_mval x = sib_lowering_input(l, 0);
    sib_lowering_output(l, 0, sib_milli_binary(l, "add", x, x));
    return SIB_OK;
}

SIB_PLUGIN(registry, err)
{
    const sib_operator op = {
        .domain = "my.dom", .name = "Twice", .min_inputs = 1, .max_inputs = 1, .lower = twice};
    return sib_operator_register(registry, &op, err);
}
