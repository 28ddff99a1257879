/* The driver `cuda`: everything runs on one stream in the order of the calls, but for gpu_run_on. Launches are listed, and go to the stream
   where somebody waits or copies, or there are enough of them (cuda_graph.h). Kernels are compiled when they are
   launched first, or come from the cache (cuda_cache.h); the compiler is opened only where one is compiled.
   Copies go through a ring of staging buffers that stay where they are in memory, which several threads fill. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "gpu/cuda_cache.h"
#include "gpu/cuda_graph.h"

#include <sibyl/timing.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BLOCK_BYTES ((size_t)64 << 20)
/* Large: each copy of the device's takes some 10 us besides its bytes. */
#define STAGE_BYTES ((size_t)4 << 20)
#define STAGES      4
#define SPIN_NS     UINT64_C(100000) /* then the wait sleeps between looks */

typedef struct stage {
    void *memory;
    cuda_event free; /* its copy is done */
    bool used;
} stage;

typedef struct cuda_device {
    gpu_device head;
    cuda_driver c;
    nvrtc compiler; /* all zero until it is needed */
    pthread_mutex_t lock;
    int device, target, version; /* target: 90 for capability 9.0; version: of the driver */
    cuda_context context;
    cuda_stream stream;
    cuda_module modules[GPU_KERNEL_COUNT];
    cuda_function functions[GPU_KERNEL_COUNT]; /* each made when first launched */
    cuda_recorder recorder;
    cuda_event begin, end; /* of what was launched since the last finish */
    bool begun;
    cuda_event others; /* behind what was launched on streams of others */
    void *last_other;  /* the stream where that was */
    bool ran_on_others;
    stage stages[STAGES];
    unsigned at; /* the next stage */
} cuda_device;

static cuda_device *of(gpu_device *d)
{
    return (cuda_device *)d;
}

/* The error of a call. Where launches failed, or the device's memory, nothing of it can be used any more. */
static sib_code check(cuda_device *d, cuda_result r, const char *what, sib_error *err)
{
    if (r >= CUDA_FAULTS || r == CUDA_ECC)
        d->head.lost = true;
    return cuda_check(&d->c, r, what, err);
}

/* The calling thread uses the device between enter and leave, and what it used before afterwards. */
static sib_code enter(cuda_device *d, sib_error *err)
{
    pthread_mutex_lock(&d->lock);
    const sib_code code = check(d, d->c.context_push(d->context), "the context", err);
    if (code != SIB_OK)
        pthread_mutex_unlock(&d->lock);
    return code;
}

static void leave(cuda_device *d)
{
    cuda_context ours;
    d->c.context_pop(&ours);
    pthread_mutex_unlock(&d->lock);
}

/* ---- Opening ------------------------------------------------------------------------------------------- */

static sib_code find_device(cuda_device *d, unsigned number, sib_error *err)
{
    int count = 0, major = 0, minor = 0;
    size_t memory = 0;
    cuda_result r = d->c.device_count(&count);
    if (r == CUDA_OK && (int)number >= count)
        return count < 1 ? err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: there is no device")
                         : err_set(err, SIB_ERR_UNSUPPORTED,
                                   "CUDA: there is no device %u; the last one is %d", number, count - 1);
    if (r == CUDA_OK)
        r = d->c.driver_version(&d->version);
    if (r == CUDA_OK)
        r = d->c.device_get(&d->device, (int)number);
    if (r == CUDA_OK)
        r = d->c.device_name(d->head.name, sizeof d->head.name, d->device);
    if (r == CUDA_OK)
        r = d->c.device_memory(&memory, d->device);
    if (r == CUDA_OK)
        r = d->c.device_attribute(&major, CUDA_COMPUTE_MAJOR, d->device);
    if (r == CUDA_OK)
        r = d->c.device_attribute(&minor, CUDA_COMPUTE_MINOR, d->device);
    d->head.memory = memory;
    d->target = 10 * major + minor;
    snprintf(d->head.features, sizeof d->head.features, "capability %d.%d, driver for CUDA %d.%d", major,
             minor, d->version / 1000, d->version % 1000 / 10);
    return cuda_check(&d->c, r, "a device", err);
}

static sib_code make_queue(cuda_device *d, sib_error *err)
{
    const unsigned apart = 1; /* CU_STREAM_NON_BLOCKING: it waits for no other stream */
    cuda_result r = d->c.stream_create(&d->stream, apart);
    if (r == CUDA_OK)
        r = d->c.event_create(&d->begin, 0);
    if (r == CUDA_OK)
        r = d->c.event_create(&d->end, 0);
    if (r == CUDA_OK)
        r = d->c.event_create(&d->others, 2); /* CU_EVENT_DISABLE_TIMING */
    for (int i = 0; i < STAGES && r == CUDA_OK; i++) {
        r = d->c.host_alloc(&d->stages[i].memory, STAGE_BYTES, 0);
        if (r == CUDA_OK)
            r = d->c.event_create(&d->stages[i].free, 0);
    }
    const sib_code code = check(d, r, "a stream", err);
    return code == SIB_OK ? cuda_recorder_open(&d->recorder, &d->c, &d->head, d->stream, d->functions, err)
                          : code;
}

static void free_queue(cuda_device *d)
{
    cuda_recorder_close(&d->recorder);
    for (size_t i = 0; i < GPU_KERNEL_COUNT; i++)
        if (d->modules[i])
            d->c.module_unload(d->modules[i]);
    for (int i = 0; i < STAGES; i++) {
        if (d->stages[i].free)
            d->c.event_destroy(d->stages[i].free);
        if (d->stages[i].memory)
            d->c.host_free(d->stages[i].memory);
    }
    if (d->begin)
        d->c.event_destroy(d->begin);
    if (d->end)
        d->c.event_destroy(d->end);
    if (d->others)
        d->c.event_destroy(d->others);
    if (d->stream)
        d->c.stream_destroy(d->stream);
}

static void cuda_shut(gpu_device **device)
{
    cuda_device *d = of(*device);
    if (d->context && enter(d, NULL) == SIB_OK) {
        free_queue(d);
        leave(d);
    }
    if (d->context)
        d->c.context_release(d->device);
    nvrtc_close(&d->compiler);
    cuda_close(&d->c);
    pthread_mutex_destroy(&d->lock);
    mem_free(d);
    *device = NULL;
}

static sib_code cuda_start(unsigned number, gpu_device **out, sib_error *err)
{
    extern const gpu_driver gpu_driver_cuda;
    cuda_device *d = mem_calloc(1, sizeof *d);
    *out = NULL;
    if (!d || pthread_mutex_init(&d->lock, NULL)) {
        mem_free(d);
        return err_memory(err, sizeof *d, "a device");
    }
    *out = &d->head;
    d->head.driver = &gpu_driver_cuda;
    d->head.block_bytes = BLOCK_BYTES;
    sib_code code = cuda_open(&d->c, err);
    if (code == SIB_OK)
        code = find_device(d, number, err);
    if (code == SIB_OK)
        code = cuda_check(&d->c, d->c.context_retain(&d->context, d->device), "a context", err);
    if (code == SIB_OK)
        code = enter(d, err);
    if (code == SIB_OK) {
        code = make_queue(d, err);
        leave(d);
    }
    if (code != SIB_OK)
        cuda_shut(out);
    return code;
}

/* ---- Waiting ------------------------------------------------------------------------------------------- */

static sib_code wait_event(cuda_device *d, cuda_event event, sib_error *err)
{
    const struct timespec nap = {0, 50000};
    const uint64_t begin = sib_time_ns();
    cuda_result r = d->c.event_query(event);
    while (r == CUDA_NOT_READY) {
        const uint64_t waited = sib_time_ns() - begin;
        if (waited > gpu_wait_ns) {
            d->head.lost = true;
            return err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: the device does not answer");
        }
        if (waited > SPIN_NS)
            nanosleep(&nap, NULL);
        r = d->c.event_query(event);
    }
    return check(d, r, "a run", err);
}

/* Notes the time before the first of what finish waits for. */
static sib_code begin_work(cuda_device *d, sib_error *err)
{
    if (d->begun)
        return SIB_OK;
    d->begun = true;
    return check(d, d->c.event_record(d->begin, d->stream), "a run", err);
}

/* What was listed goes to the stream. */
static sib_code submit(cuda_device *d, sib_error *err)
{
    const sib_code code = d->recorder.list.n ? begin_work(d, err) : SIB_OK;
    return code == SIB_OK ? cuda_recorder_submit(&d->recorder, err) : code;
}

static sib_code finish(cuda_device *d, uint64_t *ns, sib_error *err)
{
    float ms = 0;
    *ns = 0;
    sib_code code = submit(d, err);
    if (code != SIB_OK || !d->begun)
        return code;
    d->begun = d->recorder.working = false;
    code = check(d, d->c.event_record(d->end, d->stream), "a run", err);
    if (code == SIB_OK)
        code = wait_event(d, d->end, err);
    if (code == SIB_OK)
        code = check(d, d->c.event_elapsed(&ms, d->begin, d->end), "a run", err);
    *ns = (uint64_t)(ms * 1e6f);
    return code;
}

static sib_code cuda_finish(gpu_device *device, uint64_t *ns, sib_error *err)
{
    cuda_device *d = of(device);
    sib_code code = enter(d, err);
    if (code != SIB_OK)
        return code;
    code = finish(d, ns, err);
    leave(d);
    return code;
}

/* ---- Memory -------------------------------------------------------------------------------------------- */

static sib_code cuda_alloc(gpu_device *device, size_t bytes, gpu_memory **out, sib_error *err)
{
    cuda_device *d = of(device);
    *out = mem_calloc(1, sizeof **out);
    if (!*out)
        return err_memory(err, sizeof **out, "a buffer");
    sib_code code = enter(d, err);
    if (code == SIB_OK) {
        code = check(d, d->c.mem_alloc(&(*out)->address, bytes), "a buffer", err);
        leave(d);
    }
    if (code != SIB_OK) {
        mem_free(*out);
        *out = NULL;
    }
    return code;
}

static void cuda_free(gpu_device *device, gpu_memory **memory)
{
    cuda_device *d = of(device);
    if (enter(d, NULL) == SIB_OK) {
        if (!d->head.lost)
            submit(d, NULL);
        gpu_records_forget(&d->recorder.records, *memory);
        d->c.mem_free((*memory)->address); /* which waits for what uses it */
        leave(d);
    }
    mem_free(*memory);
    *memory = NULL;
}

/* The next stage, once its last copy is done. */
static sib_code next_stage(cuda_device *d, stage **out, sib_error *err)
{
    stage *s = &d->stages[d->at];
    d->at = (d->at + 1) % STAGES;
    *out = s;
    return s->used ? wait_event(d, s->free, err) : SIB_OK;
}

static sib_code mark_stage(cuda_device *d, stage *s, cuda_result r, sib_error *err)
{
    if (r == CUDA_OK)
        r = d->c.event_record(s->free, d->stream);
    s->used = r == CUDA_OK;
    return check(d, r, "a copy", err);
}

static sib_code upload(cuda_device *d, gpu_place to, const void *from, sib_error *err)
{
    stage *s;
    sib_code code = submit(d, err);
    if (code == SIB_OK)
        code = begin_work(d, err);
    for (size_t at = 0, n; at < to.bytes && code == SIB_OK; at += n) {
        n = size_min(to.bytes - at, STAGE_BYTES);
        code = next_stage(d, &s, err);
        if (code != SIB_OK)
            break;
        gpu_copy(&d->head, s->memory, (const unsigned char *)from + at, n);
        code =
            mark_stage(d, s, d->c.copy_in(to.memory->address + to.offset + at, s->memory, n, d->stream), err);
    }
    return code;
}

/* Fills all stages, then empties them, one while the next ones arrive. */
static sib_code download(cuda_device *d, gpu_place from, void *to, sib_error *err)
{
    stage *s[STAGES];
    sib_code code = submit(d, err);
    if (code == SIB_OK)
        code = begin_work(d, err);
    for (size_t at = 0; at < from.bytes && code == SIB_OK; at += STAGES * STAGE_BYTES) {
        const size_t rest = from.bytes - at, n = size_min(size_ceil_div(rest, STAGE_BYTES), STAGES);
        for (size_t i = 0; i < n && code == SIB_OK; i++) {
            const size_t begin = i * STAGE_BYTES, bytes = size_min(rest - begin, STAGE_BYTES);
            code = next_stage(d, &s[i], err);
            if (code == SIB_OK)
                code = mark_stage(d, s[i],
                                  d->c.copy_out(s[i]->memory, from.memory->address + from.offset + at + begin,
                                                bytes, d->stream),
                                  err);
        }
        for (size_t i = 0; i < n && code == SIB_OK; i++) {
            const size_t begin = i * STAGE_BYTES;
            code = wait_event(d, s[i]->free, err);
            if (code == SIB_OK)
                gpu_copy(&d->head, (unsigned char *)to + at + begin, s[i]->memory,
                         size_min(rest - begin, STAGE_BYTES));
        }
    }
    d->recorder.working = false;
    return code;
}

static sib_code cuda_upload(gpu_device *device, gpu_place to, const void *from, sib_error *err)
{
    cuda_device *d = of(device);
    sib_code code = enter(d, err);
    if (code != SIB_OK)
        return code;
    code = upload(d, to, from, err);
    leave(d);
    return code;
}

static sib_code cuda_download(gpu_device *device, gpu_place from, void *to, sib_error *err)
{
    cuda_device *d = of(device);
    sib_code code = enter(d, err);
    if (code != SIB_OK)
        return code;
    code = download(d, from, to, err);
    leave(d);
    return code;
}

/* ---- Launches ------------------------------------------------------------------------------------------ */

static sib_code compile(cuda_device *d, gpu_kernel kernel, cuda_image *out, sib_error *err)
{
    *out = (cuda_image){0};
    const sib_code code = d->compiler.version ? SIB_OK : nvrtc_open(&d->compiler, err);
    return code == SIB_OK ? cuda_compile(&d->compiler, kernel, d->target, out, NULL, err) : code;
}

/* The kernel's module: from the cache, or compiled, and then in the cache. What the driver does not load is
   compiled again. */
static sib_code load(cuda_device *d, gpu_kernel kernel, cuda_module *out, sib_error *err)
{
    char key[200];
    cuda_image image;
    snprintf(key, sizeof key, "kernel %s for sm_%d, driver %d, text %016llx", gpu_kernel_name(kernel),
             d->target, d->version, (unsigned long long)cuda_text_hash(kernel));
    char *path = cuda_cache_path(key);
    if (path && cuda_cache_read(path, key, &image)) {
        const bool good = d->c.module_load(out, image.bytes) == CUDA_OK;
        mem_free(image.bytes);
        if (good) {
            mem_free(path);
            return SIB_OK;
        }
    }
    sib_code code = compile(d, kernel, &image, err);
    if (code == SIB_OK)
        code = check(d, d->c.module_load(out, image.bytes), gpu_kernel_name(kernel), err);
    if (code == SIB_OK && path)
        cuda_cache_write(path, key, &image);
    mem_free(image.bytes);
    mem_free(path);
    return code;
}

static sib_code make_function(cuda_device *d, gpu_kernel kernel, sib_error *err)
{
    char name[64];
    if (!d->modules[kernel]) {
        const sib_code code = load(d, kernel, &d->modules[kernel], err);
        if (code != SIB_OK)
            return code;
    }
    snprintf(name, sizeof name, "gpu_%s", gpu_kernel_name(kernel));
    return check(d, d->c.module_function(&d->functions[kernel], d->modules[kernel], name), name, err);
}

static sib_code launch(cuda_device *d, gpu_kernel kernel, size_t n, const gpu_place *places, const void *args,
                       const uint32_t groups[3], sib_error *err)
{
    const gpu_command c = gpu_command_of(kernel, n, places, args, groups);
    sib_code code = d->functions[kernel] ? SIB_OK : make_function(d, kernel, err);
    if (code == SIB_OK && cuda_recorder_full(&d->recorder))
        code = submit(d, err);
    if (code == SIB_OK)
        cuda_recorder_add(&d->recorder, &c);
    return code;
}

static sib_code cuda_launch(gpu_device *device, gpu_kernel kernel, size_t n, const gpu_place *places,
                            const void *args, const uint32_t groups[3], sib_error *err)
{
    cuda_device *d = of(device);
    sib_code code = enter(d, err);
    if (code != SIB_OK)
        return code;
    code = begin_work(d, err);
    if (code == SIB_OK)
        code = launch(d, kernel, n, places, args, groups, err);
    leave(d);
    return code;
}

/* ---- Streams of others --------------------------------------------------------------------------------- */

/* An address is of this device's memory. */
static sib_code check_address(cuda_device *d, const gpu_place *p, sib_error *err)
{
    int ordinal = 0;
    if (p->memory)
        return SIB_OK;
    if (d->c.pointer_attribute(&ordinal, CUDA_ORDINAL, p->offset) != CUDA_OK)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "CUDA: 0x%llx is in no device's memory, expected that of device %d",
                       (unsigned long long)p->offset, d->device);
    return ordinal == d->device
               ? SIB_OK
               : err_set(err, SIB_ERR_ARGUMENT,
                         "CUDA: 0x%llx is in the memory of device %d, expected that of device %d",
                         (unsigned long long)p->offset, ordinal, d->device);
}

/* After what was launched on another such stream, and behind it the event for the next one. */
static sib_code run_on(cuda_device *d, cuda_stream stream, size_t n, const gpu_work *work,
                       const gpu_place *places, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t k = 0; k < n; k++)
        for (size_t i = 0; i < work[k].n && code == SIB_OK; i++)
            code = check_address(d, &places[k * GPU_BUFFERS + i], err);
    if (code == SIB_OK && d->ran_on_others && d->last_other != stream)
        code = check(d, d->c.stream_wait(stream, d->others, 0), "a stream", err);
    for (size_t k = 0; k < n && code == SIB_OK; k++) {
        const gpu_work *w = &work[k];
        gpu_command c = gpu_command_of(w->kernel, w->n, places + k * GPU_BUFFERS, w->args, w->groups);
        code = d->functions[w->kernel] ? SIB_OK : make_function(d, w->kernel, err);
        if (code == SIB_OK)
            code = check(d, cuda_recorder_launch(&d->recorder, stream, &c), gpu_kernel_name(w->kernel), err);
    }
    if (code == SIB_OK)
        code = check(d, d->c.event_record(d->others, stream), "a stream", err);
    d->ran_on_others |= code == SIB_OK;
    d->last_other = stream;
    return code;
}

static sib_code cuda_run_on(gpu_device *device, void *stream, size_t n, const gpu_work *work,
                            const gpu_place *places, sib_error *err)
{
    cuda_device *d = of(device);
    sib_code code = enter(d, err);
    if (code != SIB_OK)
        return code;
    code = run_on(d, stream, n, work, places, err);
    leave(d);
    return code;
}

static sib_code cuda_settle(gpu_device *device, sib_error *err)
{
    cuda_device *d = of(device);
    sib_code code = enter(d, err);
    if (code != SIB_OK)
        return code;
    code = d->ran_on_others ? wait_event(d, d->others, err) : SIB_OK;
    leave(d);
    return code;
}

const gpu_driver gpu_driver_cuda = {
    .name = "cuda",
    .open = cuda_start,
    .close = cuda_shut,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .upload = cuda_upload,
    .download = cuda_download,
    .launch = cuda_launch,
    .finish = cuda_finish,
    .run_on = cuda_run_on,
    .settle = cuda_settle,
};
