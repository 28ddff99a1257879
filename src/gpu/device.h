/* Devices that run the kernels of gpu/kernels: one interface, several drivers. All calls are thread-safe.
   What is launched or copied on a device takes effect in the order of the calls. A device that fails is lost:
   each later call gives an error at once. */
#ifndef GPU_DEVICE_H
#define GPU_DEVICE_H

#include <sibyl/base.h>
#include <stdatomic.h>
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
   the next multiple of 4, are the range's too. In gpu_run_on buffer may be NULL: offset is then an address in the
   device's memory, of somebody else's, a multiple of 4. */
typedef struct gpu_range {
    gpu_buffer *buffer;
    size_t offset, bytes;
} gpu_range;

/* A launch, with the arguments of gpu_launch. */
typedef struct gpu_work {
    gpu_kernel kernel;
    size_t n;
    gpu_range ranges[GPU_BUFFERS]; /* (n) */
    const void *args;
    uint32_t groups[3];
} gpu_work;

/* Memory as drivers know it: a block, of which buffers are parts; NULL: offset is an address. */
typedef struct gpu_memory gpu_memory;
typedef struct gpu_place {
    gpu_memory *memory;
    size_t offset, bytes;
} gpu_place;

/* What runs the devices of one kind. Calls are as those of this header, with places for ranges; none comes
   after one that set device->lost, but free and close. */
typedef struct gpu_driver {
    const char *name; /* "host" */
    /* number: 0 for the first device. Errors: SIB_ERR_UNSUPPORTED where there is none of that number. */
    sib_code (*open)(unsigned number, gpu_device **out, sib_error *err);
    void (*close)(gpu_device **device);
    sib_code (*alloc)(gpu_device *d, size_t bytes, gpu_memory **out, sib_error *err);
    void (*free)(gpu_device *d, gpu_memory **memory); /* waits for what uses it */
    sib_code (*upload)(gpu_device *d, gpu_place to, const void *from, sib_error *err);
    sib_code (*download)(gpu_device *d, gpu_place from, void *to, sib_error *err);
    sib_code (*launch)(gpu_device *d, gpu_kernel kernel, size_t n, const gpu_place *places, const void *args,
                       const uint32_t groups[3], sib_error *err);
    sib_code (*finish)(gpu_device *d, uint64_t *ns, sib_error *err);
    /* NULL where there are no others' streams and addresses. places: of all launches, GPU_BUFFERS each */
    sib_code (*run_on)(gpu_device *d, void *stream, size_t n, const gpu_work *work, const gpu_place *places,
                       sib_error *err);
    sib_code (*settle)(gpu_device *d, sib_error *err);
} gpu_driver;

/* The head of each driver's device. */
struct gpu_device {
    const gpu_driver *driver;
    char name[256];             /* for people */
    char features[256];         /* arithmetic that it has, for people; "" where nobody asked */
    uint64_t memory, max_range; /* bytes of its own memory, and of a range at most; 0: unknown */
    size_t block_bytes;         /* what buffers are parts of; 0: each is of its own */
    atomic_bool lost;           /* it failed, and what is on it is gone */
    /* lists of launches that went to the device, and those of them that its driver recorded anew; 0 where it keeps none */
    atomic_ullong submitted, recorded;
    /* what was asked of it so far, for tests: buffers, launches, and bytes copied to it and back */
    atomic_ullong allocated, launched, uploaded, downloaded;
    /* of this layer: */
    unsigned number, users;
    sib_pool *copiers; /* of gpu_copy; NULL before its first large copy, and where there is none to be had */
    gpu_device *next;  /* of those that are open */
    struct gpu_blocks *blocks;
};

/* Opens a device, "vulkan" or "vulkan:1", the second one. A process has each device once: further calls share
   it, unless it is lost. Errors: SIB_ERR_ARGUMENT (no such number), SIB_ERR_UNSUPPORTED (no driver of that name
   in this build, or no device for it), SIB_ERR_MEMORY. */
sib_code gpu_open(const char *name, gpu_device **out, sib_error *err);
/* Adds a user of an open device, for gpu_close. */
void gpu_share(gpu_device *d);
/* The caller's buffers must be freed. *device may be NULL. */
void gpu_close(gpu_device **device);
/* Memory of the device, aligned to GPU_ALIGN, not cleared. bytes > 0. Errors: SIB_ERR_MEMORY, those of the
   device. */
sib_code gpu_alloc(gpu_device *d, size_t bytes, gpu_buffer **out, sib_error *err);
/* What was launched before may still use it. *buffer may be NULL. */
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
/* Waits for everything before it. ns: receives how long the device worked since the last call, by its own
   clock; 0: unknown. Errors: those of the device, and of earlier launches. */
sib_code gpu_finish(gpu_device *d, uint64_t *ns, sib_error *err);
/* Most launches of gpu_run_on. */
#define GPU_RUN_MAX 4
/* Launches on a caller's stream, of the driver's kind (CUstream), where they take their place among the caller's own
   work: nothing waits on the host. Those of several calls come one after another even on different streams, so they may
   share buffers; what gpu_upload brought before must be finished. Errors: SIB_ERR_UNSUPPORTED (the driver has no streams
   of others), SIB_ERR_ARGUMENT (an address that is not of this device's memory), those of gpu_launch. */
sib_code gpu_run_on(gpu_device *d, void *stream, size_t n, const gpu_work *work, sib_error *err);
/* Waits for what gpu_run_on launched, before its buffers are freed. Errors: those of the device. */
sib_code gpu_settle(gpu_device *d, sib_error *err);
/* For drivers: memcpy, of large copies by several threads. One call at a time for a device. */
void gpu_copy(gpu_device *d, void *to, const void *from, size_t bytes);
/* For tests: the device counts as lost from the n-th copy, launch or wait of this process on, the first being
   0; INT64_MAX: never. */
void gpu_lose_after(int64_t n);
/* Threads of a group. */
uint32_t gpu_kernel_threads(gpu_kernel kernel);
/* After which a device that computes counts as lost, since it does not answer: a minute; less in tests. */
extern uint64_t gpu_wait_ns;
/* "matmul" */
const char *gpu_kernel_name(gpu_kernel kernel);
/* Bytes of the kernel's arguments. */
size_t gpu_args_bytes(gpu_kernel kernel);

#endif
