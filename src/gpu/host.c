/* The driver `host`: the kernels compiled as C, a group after another. A kernel that leaves its buffers is
   stopped with an error that says where. */
#include "gpu/dialect/groups.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "gpu/device.h"

#include <sibyl/timing.h>
#include <stdio.h>

struct gpu_memory {
    size_t bytes; /* a multiple of 4 */
    uint32_t words[];
};

typedef struct host_device {
    gpu_device head;
    atomic_ullong ns; /* that launches took since the last wait */
} host_device;

static sib_code host_open(unsigned number, gpu_device **out, sib_error *err)
{
    extern const gpu_driver gpu_driver_host;
    *out = NULL;
    if (number)
        return err_set(err, SIB_ERR_UNSUPPORTED, "gpu-host: there is one device, 0, and no number %u",
                       number);
    host_device *d = mem_calloc(1, sizeof *d);
    if (!d)
        return err_memory(err, sizeof *d, "a device");
    *out = &d->head;
    (*out)->driver = &gpu_driver_host;
    snprintf((*out)->name, sizeof(*out)->name, "this processor");
    return SIB_OK;
}

static void host_close(gpu_device **device)
{
    mem_free(*device);
    *device = NULL;
}

static sib_code host_alloc(gpu_device *d, size_t bytes, gpu_memory **out, sib_error *err)
{
    size_t all;
    (void)d;
    *out = size_add(bytes, sizeof **out + 3, &all) ? mem_alloc(all, 1) : NULL;
    if (!*out)
        return err_memory(err, bytes, "a buffer");
    (*out)->bytes = (bytes + 3) / 4 * 4;
    return SIB_OK;
}

static void host_free(gpu_device *d, gpu_memory **memory)
{
    (void)d;
    mem_free(*memory);
    *memory = NULL;
}

static sib_code host_upload(gpu_device *d, gpu_place to, const void *from, sib_error *err)
{
    (void)d, (void)err;
    SIB_ASSERT(to.offset <= to.memory->bytes && to.bytes <= to.memory->bytes - to.offset);
    memcpy(to.memory->words + to.offset / 4, from, to.bytes);
    return SIB_OK;
}

static sib_code host_download(gpu_device *d, gpu_place from, void *to, sib_error *err)
{
    (void)d, (void)err;
    SIB_ASSERT(from.offset <= from.memory->bytes && from.bytes <= from.memory->bytes - from.offset);
    memcpy(to, from.memory->words + from.offset / 4, from.bytes);
    return SIB_OK;
}

uint32_t gpu_kernel_threads(gpu_kernel kernel)
{
    return host_kernels[kernel].threads;
}

static sib_code host_launch(gpu_device *d, gpu_kernel kernel, size_t n, const gpu_place *places,
                            const void *args, const uint32_t groups[3], sib_error *err)
{
    host_group g = {0};
    const uint64_t begin = sib_time_ns();
    for (size_t i = 0; i < n; i++) {
        const gpu_place *p = &places[i];
        SIB_ASSERT(!p->memory || p->offset + p->bytes <= p->memory->bytes);
        g.words[i] = p->memory ? p->memory->words + p->offset / 4 : (uint32_t *)(uintptr_t)p->offset;
        g.n_words[i] = size_ceil_div(places[i].bytes, 4);
    }
    host_run(&g, kernel, groups, args);
    ((host_device *)d)->ns += sib_time_ns() - begin;
    if (!g.fault)
        return SIB_OK;
    return err_set(err, SIB_ERR_SIZE, "kernel %s %s: at %zu", gpu_kernel_name(kernel), g.fault, g.at);
}

static sib_code host_finish(gpu_device *d, uint64_t *ns, sib_error *err)
{
    (void)err;
    *ns = atomic_exchange(&((host_device *)d)->ns, 0);
    return SIB_OK;
}

/* Addresses are the process's, and there is no stream but the calls themselves. */
static sib_code host_run_on(gpu_device *d, void *stream, size_t n, const gpu_work *work,
                            const gpu_place *places, sib_error *err)
{
    sib_code code = SIB_OK;
    (void)stream;
    for (size_t k = 0; k < n && code == SIB_OK; k++)
        code = host_launch(d, work[k].kernel, work[k].n, places + k * GPU_BUFFERS, work[k].args,
                           work[k].groups, err);
    return code;
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
    .finish = host_finish,
    .run_on = host_run_on,
};
