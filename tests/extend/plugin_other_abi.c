/* A plug-in for a later version of the interface. */
#include <sibyl/extend.h>

SIB_PLUGIN_EXPORT const uint32_t sibyl_plugin_abi = SIB_PLUGIN_ABI + 1;
SIB_PLUGIN_EXPORT sib_code sibyl_plugin_init(sib_registry *registry, sib_error *err)
{
    (void)registry;
    (void)err;
    return SIB_ERR_UNSUPPORTED;
}
