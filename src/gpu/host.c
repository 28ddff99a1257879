/* The driver `host`: the kernels compiled as C, a group after another. A kernel that leaves its buffers is
   stopped with an error that says where. */
#include "gpu/dialect/host.h"

#include "gpu/dialect/types.h"

#include "gpu/dialect/math.h"

/* The kernel `chain` reads registers that its program wrote before, which analysis cannot see. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wanalyzer-use-of-uninitialized-value"
#include "gpu/kernels.h"
#pragma GCC diagnostic pop

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "gpu/device.h"

struct gpu_buffer {
    size_t bytes; /* a multiple of 4 */
    uint32_t words[];
};

static sib_code host_open(gpu_device **out, sib_error *err)
{
    extern const gpu_driver gpu_driver_host;
    *out = mem_alloc(1, sizeof **out);
    if (!*out)
        return err_memory(err, sizeof **out, "a device");
    **out = (gpu_device){.driver = &gpu_driver_host, .name = "this processor"};
    return SIB_OK;
}

static void host_close(gpu_device **device)
{
    mem_free(*device);
    *device = NULL;
}

static sib_code host_alloc(gpu_device *d, size_t bytes, gpu_buffer **out, sib_error *err)
{
    size_t all;
    (void)d;
    *out = size_add(bytes, sizeof **out + 3, &all) ? mem_alloc(all, 1) : NULL;
    if (!*out)
        return err_memory(err, bytes, "a buffer");
    (*out)->bytes = (bytes + 3) / 4 * 4;
    return SIB_OK;
}

static void host_free(gpu_device *d, gpu_buffer **buffer)
{
    (void)d;
    mem_free(*buffer);
    *buffer = NULL;
}

static sib_code host_upload(gpu_device *d, gpu_range to, const void *from, sib_error *err)
{
    (void)d, (void)err;
    SIB_ASSERT(to.offset <= to.buffer->bytes && to.bytes <= to.buffer->bytes - to.offset);
    memcpy(to.buffer->words + to.offset / 4, from, to.bytes);
    return SIB_OK;
}

static sib_code host_download(gpu_device *d, gpu_range from, void *to, sib_error *err)
{
    (void)d, (void)err;
    SIB_ASSERT(from.offset <= from.buffer->bytes && from.bytes <= from.buffer->bytes - from.offset);
    memcpy(to, from.buffer->words + from.offset / 4, from.bytes);
    return SIB_OK;
}

/* Runs one group with the bytes of the kernel's arguments. */
typedef void run_group(host_group *g, const void *args);

#define GPU_KERNEL(name)                                                                                     \
    static void run_##name(host_group *g, const void *bytes)                                                 \
    {                                                                                                        \
        gpu_##name##_args args;                                                                              \
        memcpy(&args, bytes, sizeof args);                                                                   \
        gpu_##name##_group(g, args);                                                                         \
    }
#include "gpu/kernels.def"
#undef GPU_KERNEL

static run_group *const groups_of[] = {
#define GPU_KERNEL(name) run_##name,
#include "gpu/kernels.def"
#undef GPU_KERNEL
};

static sib_code host_launch(gpu_device *d, gpu_kernel kernel, size_t n, const gpu_range *ranges,
                            const void *args, const uint32_t groups[3], sib_error *err)
{
    static _Thread_local u32 phase; /* since this thread's first launch: marks of shared memory stay */
    host_group g = {.phase = phase};
    (void)d;
    for (size_t i = 0; i < n; i++) {
        SIB_ASSERT(ranges[i].offset + ranges[i].bytes <= ranges[i].buffer->bytes);
        g.words[i] = ranges[i].buffer->words + ranges[i].offset / 4;
        g.n_words[i] = size_ceil_div(ranges[i].bytes, 4);
    }
    for (g.z = 0; g.z < groups[2] && !g.fault; g.z++)
        for (g.y = 0; g.y < groups[1] && !g.fault; g.y++)
            for (g.x = 0; g.x < groups[0] && !g.fault; g.x++) {
                g.first_phase = ++g.phase;
                groups_of[kernel](&g, args);
            }
    phase = g.phase;
    if (!g.fault)
        return SIB_OK;
    return err_set(err, SIB_ERR_SIZE, "kernel %s %s: at %zu", gpu_kernel_name(kernel), g.fault, g.at);
}

const gpu_driver gpu_driver_host = {
    .name = "host",
    .open = host_open,
    .close = host_close,
    .alloc = host_alloc,
    .free = host_free,
    .upload = host_upload,
    .download = host_download,
    .launch = host_launch,
};
