/* The list of drivers. */
#include "base/error.h"
#include "gpu/device.h"

#include <string.h>

extern const gpu_driver gpu_driver_host, gpu_driver_vulkan;

static const gpu_driver *const drivers[] = {
    &gpu_driver_host,
#if defined(SIBYL_VULKAN)
    &gpu_driver_vulkan,
#endif
};

sib_code gpu_open(const char *driver, gpu_device **out, sib_error *err)
{
    *out = NULL;
    for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++)
        if (!strcmp(drivers[i]->name, driver))
            return drivers[i]->open(out, err);
    return err_set(err, SIB_ERR_UNSUPPORTED, "this build has no driver '%s' for GPUs", driver);
}
