/* A plug-in whose operator is refused. */
#include <sibyl/extend.h>

SIB_PLUGIN(registry, err)
{
    const sib_operator op = {.domain = "my.dom", .name = "Nothing"};
    return sib_operator_register(registry, &op, err);
}
