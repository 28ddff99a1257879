/* Log-mel features of recordings that are in a device's memory. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "gpu/front_end.h"

#include <pthread.h>
#include <string.h>

struct sib_mel_device {
    sib_mel *mel;
    gpu_device *device;
    gpu_range tables;
    pthread_mutex_t lock; /* of what follows */
    gpu_range scratch;    /* VALUES and the extremes of the largest batch so far; buffer NULL: none */
};

/* ---- Making -------------------------------------------------------------------------------------------- */

/* What was put in a buffer is there, and what used its memory before is done. */
static sib_code wait_for_own(gpu_device *d, sib_error *err)
{
    uint64_t ns;
    return gpu_finish(d, &ns, err);
}

static sib_code bring_tables(sib_mel_device *m, sib_error *err)
{
    uint32_t *words = NULL;
    size_t n = 0;
    sib_code code = gpu_front_end_tables(m->mel, &words, &n, err);
    m->tables.bytes = 4 * n;
    if (code == SIB_OK)
        code = gpu_alloc(m->device, m->tables.bytes, &m->tables.buffer, err);
    if (code == SIB_OK)
        code = gpu_upload(m->device, m->tables, words, err);
    if (code == SIB_OK)
        code = wait_for_own(m->device, err);
    mem_free(words);
    return code;
}

sib_code sib_mel_device_create(const sib_mel *mel, const char *device, sib_mel_device **out, sib_error *err)
{
    static const char prefix[] = "gpu-"; /* of the backend of the driver `host` */
    sib_mel_device *m = *out = mem_calloc(1, sizeof *m);
    if (!m || pthread_mutex_init(&m->lock, NULL)) {
        mem_free(m);
        *out = NULL;
        return err_memory(err, sizeof *m, "a front end");
    }
    const size_t skip = strncmp(device, prefix, strlen(prefix)) ? 0 : strlen(prefix);
    sib_code code = sib_mel_create(sib_mel_get_spec(mel), NULL, &m->mel, err);
    if (code == SIB_OK)
        code = gpu_front_end_check(sib_mel_get_spec(mel), err);
    if (code == SIB_OK)
        code = gpu_open(device + skip, &m->device, err);
    if (code == SIB_OK)
        code = gpu_run_on(m->device, NULL, 0, NULL, err);
    if (code == SIB_OK)
        code = bring_tables(m, err);
    if (code != SIB_OK)
        sib_mel_device_free(out);
    return code;
}

void sib_mel_device_free(sib_mel_device **device)
{
    sib_mel_device *m = device ? *device : NULL;
    if (!m)
        return;
    if (m->device) {
        gpu_settle(m->device, NULL);
        gpu_free(m->device, &m->tables.buffer);
        gpu_free(m->device, &m->scratch.buffer);
        gpu_close(&m->device);
    }
    sib_mel_free(&m->mel);
    pthread_mutex_destroy(&m->lock);
    mem_free(m);
    *device = NULL;
}

/* ---- Computing ----------------------------------------------------------------------------------------- */

static sib_code read_task(const sib_mel_device *m, const sib_mel_batch *b, front_end_task *t, sib_error *err)
{
    uint64_t rows, columns;
    size_t total;
    if (!b->recordings || !b->samples || !b->features || b->samples % 4 || b->features % 4)
        return err_set(
            err, SIB_ERR_ARGUMENT,
            "%zu recordings at 0x%llx with features at 0x%llx: expected one or more, at multiples of 4",
            b->recordings, (unsigned long long)b->samples, (unsigned long long)b->features);
    if (!size_add(b->n_samples, b->padding, &total))
        return err_set(err, SIB_ERR_SIZE, "%zu samples and %zu of padding are too many", b->n_samples,
                       b->padding);
    const sib_code code = sib_mel_shape(m->mel, total, &rows, &columns, err);
    if (code != SIB_OK)
        return code;
    *t = (front_end_task){.spec = *sib_mel_get_spec(m->mel),
                          .recordings = b->recordings,
                          .samples = b->n_samples,
                          .total = total,
                          .rows = (size_t)rows,
                          .columns = (size_t)columns,
                          .joint = b->joint};
    return gpu_front_end_takes(t)
               ? SIB_OK
               : err_set(err, SIB_ERR_SIZE,
                         "%zu recordings of %zu samples are more than a device takes at once", b->recordings,
                         total);
}

/* Where each buffer lies, the scratch in one piece. */
static sib_code place_buffers(sib_mel_device *m, const sib_mel_batch *b, const front_end *f,
                              gpu_range ranges[FRONT_BUFFERS], sib_error *err)
{
    size_t bytes = 0;
    ranges[FRONT_TABLES] = m->tables;
    ranges[FRONT_SAMPLES] = (gpu_range){NULL, b->samples, 4 * f->words[FRONT_SAMPLES]};
    ranges[FRONT_FEATURES] = (gpu_range){NULL, b->features, 4 * f->words[FRONT_FEATURES]};
    for (int i = FRONT_VALUES; i < FRONT_BUFFERS; i++) {
        ranges[i] = (gpu_range){NULL, bytes, 4 * f->words[i]};
        bytes += size_ceil_div(ranges[i].bytes, GPU_ALIGN) * GPU_ALIGN;
    }
    if (bytes > m->scratch.bytes) {
        sib_code code = gpu_settle(m->device, err);
        gpu_free(m->device, &m->scratch.buffer);
        m->scratch.bytes = 0;
        if (code == SIB_OK)
            code = gpu_alloc(m->device, bytes, &m->scratch.buffer, err);
        if (code == SIB_OK)
            code = wait_for_own(m->device, err);
        if (code != SIB_OK)
            return code;
        m->scratch.bytes = bytes;
    }
    for (int i = FRONT_VALUES; i < FRONT_BUFFERS; i++)
        ranges[i].buffer = m->scratch.buffer;
    return SIB_OK;
}

static sib_code compute(sib_mel_device *m, const sib_mel_batch *b, const front_end *f, sib_error *err)
{
    gpu_range ranges[FRONT_BUFFERS];
    gpu_work work[GPU_RUN_MAX];
    const sib_code code = place_buffers(m, b, f, ranges, err);
    if (code != SIB_OK)
        return code;
    for (size_t k = 0; k < f->n_launches; k++) {
        const front_end_launch *l = &f->launches[k];
        work[k] = (gpu_work){.kernel = l->kernel, .n = l->n, .args = l->args};
        for (size_t i = 0; i < l->n; i++)
            work[k].ranges[i] = ranges[l->buffers[i]];
        gpu_front_end_groups(l, work[k].groups);
    }
    return gpu_run_on(m->device, b->stream, f->n_launches, work, err);
}

sib_code sib_mel_compute_device(sib_mel_device *m, const sib_mel_batch *b, sib_error *err)
{
    front_end_task t;
    front_end f;
    sib_code code = read_task(m, b, &t, err);
    if (code != SIB_OK)
        return code;
    gpu_front_end_plan(&t, &f);
    pthread_mutex_lock(&m->lock);
    code = compute(m, b, &f, err);
    pthread_mutex_unlock(&m->lock);
    return code;
}
