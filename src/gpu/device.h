/* Devices that run the kernels of gpu/kernels: one interface, several drivers. All calls are thread-safe.
   What is launched or copied on a device takes effect in the order of the calls. */
#ifndef GPU_DEVICE_H
#define GPU_DEVICE_H

#include <sibyl/base.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum gpu_kernel {
#define GPU_KERNEL(name) GPU_##name,
#include "gpu/kernels.def"
#undef GPU_KERNEL
    GPU_KERNEL_COUNT
} gpu_kernel;

/* Buffers that a kernel can be bound to. */
#define GPU_BUFFERS 8
/* Max bytes of a kernel's arguments: what every device of Vulkan takes. */
#define GPU_ARGS_BYTES 128
/* Alignment of ranges of a buffer that kernels are bound to, in bytes. */
#define GPU_ALIGN 256
/* Max groups along an axis. */
#define GPU_MAX_GROUPS 65535

/* How kernels count groups along one line: group y * GPU_GROUPS_ALONG_X + x. */
#define GPU_GROUPS_ALONG_X 1024

typedef struct gpu_device gpu_device;
typedef struct gpu_buffer gpu_buffer;

/* Bytes [offset, offset + bytes) of a buffer; offset is a multiple of GPU_ALIGN. The bytes after them, up to
   the next multiple of 4, are the range's too. */
typedef struct gpu_range {
    gpu_buffer *buffer;
    size_t offset, bytes;
} gpu_range;

/* What runs the devices of one kind. */
typedef struct gpu_driver {
    const char *name; /* "host" */
    sib_code (*open)(gpu_device **out, sib_error *err);
    void (*close)(gpu_device **device);
    sib_code (*alloc)(gpu_device *d, size_t bytes, gpu_buffer **out, sib_error *err);
    void (*free)(gpu_device *d, gpu_buffer **buffer);
    sib_code (*upload)(gpu_device *d, gpu_range to, const void *from, sib_error *err);
    sib_code (*download)(gpu_device *d, gpu_range from, void *to, sib_error *err);
    sib_code (*launch)(gpu_device *d, gpu_kernel kernel, size_t n, const gpu_range *ranges, const void *args,
                       const uint32_t groups[3], sib_error *err);
} gpu_driver;

/* The head of each driver's device. */
struct gpu_device {
    const gpu_driver *driver;
    const char *name;           /* for people, as long as the device */
    uint64_t memory, max_range; /* bytes of its own memory, and of a range at most; 0: unknown */
};

/* Opens the first device of a driver. Errors: SIB_ERR_UNSUPPORTED (no driver of that name in this build, or
   no device for it), SIB_ERR_MEMORY. */
sib_code gpu_open(const char *driver, gpu_device **out, sib_error *err);
/* The device's buffers must be freed. *device may be NULL. */
void gpu_close(gpu_device **device);
/* Memory of the device, aligned to GPU_ALIGN, not cleared. bytes > 0. Errors: SIB_ERR_MEMORY. */
sib_code gpu_alloc(gpu_device *d, size_t bytes, gpu_buffer **out, sib_error *err);
/* Waits for what uses it. *buffer may be NULL. */
void gpu_free(gpu_device *d, gpu_buffer **buffer);
/* Copies to.bytes bytes, which are read before it returns. Errors: those of the device. */
sib_code gpu_upload(gpu_device *d, gpu_range to, const void *from, sib_error *err);
/* Waits for everything before it and copies from.bytes bytes. Errors: those of the device, and of earlier
   launches. */
sib_code gpu_download(gpu_device *d, gpu_range from, void *to, sib_error *err);
/* Runs a kernel. ranges (n): its buffers in order. args: its struct gpu_<kernel>_args. groups: of threads
   along x, y, z; none is launched where one is 0. Errors: SIB_ERR_SIZE (more than GPU_MAX_GROUPS), those of
   the device. */
sib_code gpu_launch(gpu_device *d, gpu_kernel kernel, size_t n, const gpu_range *ranges, const void *args,
                    const uint32_t groups[3], sib_error *err);
/* "matmul" */
const char *gpu_kernel_name(gpu_kernel kernel);
/* Bytes of the kernel's arguments. */
size_t gpu_args_bytes(gpu_kernel kernel);

#endif
