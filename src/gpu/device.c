/* Calls that go to a device's driver, and the table of kernels. */
#include "gpu/device.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "gpu/blocks.h"
#include "gpu/kernels.h"

#include <string.h>

static const struct {
    const char *name;
    size_t args_bytes;
} kernels[] = {
#define GPU_KERNEL(name) {#name, sizeof(gpu_##name##_args)},
#include "gpu/kernels.def"
#undef GPU_KERNEL
};

/* ---- Loss ---------------------------------------------------------------------------------------------- */

uint64_t gpu_wait_ns = UINT64_C(60000000000);

static atomic_llong calls_left = INT64_MAX;

void gpu_lose_after(int64_t n)
{
    atomic_store(&calls_left, n);
}

/* The error of a device that is lost, before a call of its driver. */
static sib_code alive(gpu_device *d, bool counts, sib_error *err)
{
    if (counts && atomic_load(&calls_left) != INT64_MAX && atomic_fetch_sub(&calls_left, 1) <= 0)
        d->lost = true;
    return d->lost ? err_set(err, SIB_ERR_UNSUPPORTED, "%s: the device is lost", d->name) : SIB_OK;
}

/* ---- Calls --------------------------------------------------------------------------------------------- */

static void count(atomic_ullong *of, size_t n)
{
    atomic_fetch_add_explicit(of, n, memory_order_relaxed);
}

sib_code gpu_alloc(gpu_device *d, size_t bytes, gpu_buffer **out, sib_error *err)
{
    SIB_ASSERT(bytes > 0);
    *out = NULL;
    const sib_code code = alive(d, false, err);
    count(&d->allocated, 1);
    return code == SIB_OK ? gpu_blocks_get(d->blocks, bytes, out, err) : code;
}

void gpu_free(gpu_device *d, gpu_buffer **buffer)
{
    if (*buffer)
        gpu_blocks_put(d->blocks, buffer);
}

sib_code gpu_upload(gpu_device *d, gpu_range to, const void *from, sib_error *err)
{
    SIB_ASSERT(to.offset % GPU_ALIGN == 0);
    const sib_code code = alive(d, to.bytes, err);
    count(&d->uploaded, to.bytes);
    return code == SIB_OK && to.bytes ? d->driver->upload(d, gpu_place_of(to), from, err) : code;
}

sib_code gpu_download(gpu_device *d, gpu_range from, void *to, sib_error *err)
{
    SIB_ASSERT(from.offset % GPU_ALIGN == 0);
    const sib_code code = alive(d, from.bytes, err);
    count(&d->downloaded, from.bytes);
    return code == SIB_OK && from.bytes ? d->driver->download(d, gpu_place_of(from), to, err) : code;
}

sib_code gpu_launch(gpu_device *d, gpu_kernel kernel, size_t n, const gpu_range *ranges, const void *args,
                    const uint32_t groups[3], sib_error *err)
{
    gpu_place places[GPU_BUFFERS];
    SIB_ASSERT(n <= GPU_BUFFERS && kernel < GPU_KERNEL_COUNT);
    for (int i = 0; i < 3; i++)
        if (groups[i] > GPU_MAX_GROUPS)
            return err_set(err, SIB_ERR_SIZE, "kernel %s: %u groups along an axis, at most %d",
                           kernels[kernel].name, groups[i], GPU_MAX_GROUPS);
    const bool empty = !groups[0] || !groups[1] || !groups[2];
    const sib_code code = alive(d, !empty, err);
    if (code != SIB_OK || empty)
        return code;
    count(&d->launched, 1);
    for (size_t i = 0; i < n; i++) {
        places[i] = gpu_place_of(ranges[i]);
        if (d->max_range && ranges[i].bytes > d->max_range)
            return err_set(err, SIB_ERR_SIZE, "%s: a value of %zu bytes, at most %llu", d->name,
                           ranges[i].bytes, (unsigned long long)d->max_range);
    }
    return d->driver->launch(d, kernel, n, places, args, groups, err);
}

sib_code gpu_finish(gpu_device *d, uint64_t *ns, sib_error *err)
{
    *ns = 0;
    const sib_code code = alive(d, true, err);
    return code == SIB_OK ? d->driver->finish(d, ns, err) : code;
}

sib_code gpu_run_on(gpu_device *d, void *stream, size_t n, const gpu_work *work, sib_error *err)
{
    gpu_place places[GPU_RUN_MAX * GPU_BUFFERS];
    SIB_ASSERT(n <= GPU_RUN_MAX);
    if (!d->driver->run_on)
        return err_set(err, SIB_ERR_UNSUPPORTED, "%s: the driver '%s' takes no memory of others", d->name,
                       d->driver->name);
    const sib_code code = alive(d, true, err);
    for (size_t k = 0; k < n && code == SIB_OK; k++)
        for (size_t i = 0; i < work[k].n; i++)
            places[k * GPU_BUFFERS + i] = gpu_place_of(work[k].ranges[i]);
    return code == SIB_OK ? d->driver->run_on(d, stream, n, work, places, err) : code;
}

sib_code gpu_settle(gpu_device *d, sib_error *err)
{
    const sib_code code = alive(d, true, err);
    return code == SIB_OK && d->driver->settle ? d->driver->settle(d, err) : code;
}

/* ---- Copies of the host's ------------------------------------------------------------------------------- */

/* One thread copies 11 GB/s where an H100's bus takes 54: four do 40. */
#define COPY_THREADS 4
#define COPY_GRAIN   ((size_t)256 << 10) /* what a thread copies at once */
#define COPY_SHARED  ((size_t)1 << 20)   /* smaller copies are over before others have woken */

typedef struct host_copy {
    unsigned char *to;
    const unsigned char *from;
    size_t bytes;
} host_copy;

static void copy_some(void *context, size_t begin, size_t count, unsigned worker)
{
    const host_copy *c = context;
    const size_t at = begin * COPY_GRAIN;
    (void)worker;
    memcpy(c->to + at, c->from + at, size_min(c->bytes - at, count * COPY_GRAIN));
}

void gpu_copy(gpu_device *d, void *to, const void *from, size_t bytes)
{
    host_copy c = {to, from, bytes};
    const bool shared = bytes >= COPY_SHARED;
    if (shared && !d->copiers)
        sib_pool_create(COPY_THREADS, &d->copiers, NULL);
    pool_run_awake(shared ? d->copiers : NULL, size_ceil_div(bytes, COPY_GRAIN), 1, copy_some, &c);
}

/* ---- Kernels ------------------------------------------------------------------------------------------- */

const char *gpu_kernel_name(gpu_kernel kernel)
{
    return kernels[kernel].name;
}

size_t gpu_args_bytes(gpu_kernel kernel)
{
    return kernels[kernel].args_bytes;
}
