/* Calls that go to a device's driver, and the table of kernels. */
#include "gpu/device.h"

#include "base/assert.h"
#include "base/error.h"
#include "gpu/kernels.h"

static const struct {
    const char *name;
    size_t args_bytes;
} kernels[] = {
#define GPU_KERNEL(name) {#name, sizeof(gpu_##name##_args)},
#include "gpu/kernels.def"
#undef GPU_KERNEL
};

void gpu_close(gpu_device **device)
{
    if (*device)
        (*device)->driver->close(device);
}

sib_code gpu_alloc(gpu_device *d, size_t bytes, gpu_buffer **out, sib_error *err)
{
    SIB_ASSERT(bytes > 0);
    return d->driver->alloc(d, bytes, out, err);
}

void gpu_free(gpu_device *d, gpu_buffer **buffer)
{
    if (*buffer)
        d->driver->free(d, buffer);
}

sib_code gpu_upload(gpu_device *d, gpu_range to, const void *from, sib_error *err)
{
    SIB_ASSERT(to.offset % GPU_ALIGN == 0);
    return to.bytes ? d->driver->upload(d, to, from, err) : SIB_OK;
}

sib_code gpu_download(gpu_device *d, gpu_range from, void *to, sib_error *err)
{
    SIB_ASSERT(from.offset % GPU_ALIGN == 0);
    return from.bytes ? d->driver->download(d, from, to, err) : SIB_OK;
}

sib_code gpu_launch(gpu_device *d, gpu_kernel kernel, size_t n, const gpu_range *ranges, const void *args,
                    const uint32_t groups[3], sib_error *err)
{
    SIB_ASSERT(n <= GPU_BUFFERS && kernel < GPU_KERNEL_COUNT);
    for (int i = 0; i < 3; i++)
        if (groups[i] > GPU_MAX_GROUPS)
            return err_set(err, SIB_ERR_SIZE, "kernel %s: %u groups along an axis, at most %d",
                           kernels[kernel].name, groups[i], GPU_MAX_GROUPS);
    if (!groups[0] || !groups[1] || !groups[2])
        return SIB_OK;
    return d->driver->launch(d, kernel, n, ranges, args, groups, err);
}

const char *gpu_kernel_name(gpu_kernel kernel)
{
    return kernels[kernel].name;
}

size_t gpu_args_bytes(gpu_kernel kernel)
{
    return kernels[kernel].args_bytes;
}
