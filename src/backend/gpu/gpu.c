/* The backends of GPUs: plan the launches of nodes and run them. */
#include "backend/gpu/claim.h"
#include "backend/gpu/constants.h"
#include "backend/gpu/measure.h"
#include "backend/gpu/step.h"
#include "backend/gpu/wide.h"
#include "tensor/tensor.h"
#include "tensor/value.h"

#include <stdio.h>
#include <string.h>

typedef struct gpu_self {
    gpu_device *device;
    gpu_constants *constants;
    gpu_alike *alike; /* what steps read besides */
} gpu_self;

/* ---- Claiming ------------------------------------------------------------------------------------------ */

static bool gpu_claims(const void *self, const node_view *n)
{
    (void)self;
    return gpu_op_for(n) != NULL;
}

/* ---- Planning ------------------------------------------------------------------------------------------ */

static sib_code bring_constants(gpu_self *self, const node_view *n, gpu_step *s, step *st, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < n->n_in && code == SIB_OK; i++) {
        bool used = false;
        for (size_t k = 0; k < s->n_rows; k++)
            for (size_t j = 0; j < s->rows[k].n; j++)
                used |= s->rows[k].operands[j].source == GPU_IN && s->rows[k].operands[j].at == i;
        if (!n->in[i] || !n->in[i]->constant)
            continue;
        st->unread |= UINT64_C(1) << i;
        if (used && n->in[i]->lasting)
            code = gpu_constants_get(self->constants, n->in[i], &s->constants[i], err);
        else if (used &&
                 (code = gpu_alike_tensor(self->alike, n->in[i]->constant, &s->held[i], err)) == SIB_OK)
            s->constants[i] = (gpu_range){s->held[i]->buffer, 0, s->held[i]->bytes};
    }
    return code;
}

static sib_code bring_words(gpu_self *self, gpu_step *s, sib_error *err)
{
    if (!s->n_words)
        return SIB_OK;
    const sib_code code = gpu_alike_get(self->alike, s->words, 4 * s->n_words, &s->own, err);
    mem_free(s->words);
    s->words = NULL;
    return code;
}

static void gpu_release(step *st)
{
    gpu_step *s = st->state;
    gpu_self *self = st->self;
    if (!s)
        return;
    for (size_t i = 0; i < s->n_in && s->held; i++)
        gpu_alike_put(self->alike, &s->held[i]);
    gpu_alike_put(self->alike, &s->own);
    gpu_free(self->device, &s->scratch);
    pthread_mutex_destroy(&s->turn);
    mem_free(s->constants);
    mem_free(s->held);
    mem_free(s->words);
    mem_free(s->rows);
    mem_free(s);
    st->state = NULL;
}

static sib_code gpu_prepare(void *self, const node_view *n, step *st, sib_error *err)
{
    gpu_step *s = mem_calloc(1, sizeof *s);
    st->state = s;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    pthread_mutex_init(&s->turn, NULL);
    s->n_in = n->n_in;
    s->constants = mem_calloc(n->n_in ? n->n_in : 1, sizeof *s->constants);
    s->held = mem_calloc(n->n_in ? n->n_in : 1, sizeof(gpu_same *));
    const gpu_op *op = gpu_op_for(n);
    SIB_ASSERT(op); /* as when it was claimed */
    sib_code code = s->constants && s->held ? op->plan(n, s, err) : err_memory(err, n->n_in, "a step");
    if (code == SIB_OK)
        code = bring_constants(self, n, s, st, err);
    if (code == SIB_OK)
        code = bring_words(self, s, err);
    if (code == SIB_OK && s->scratch_words)
        code = gpu_alloc(((gpu_self *)self)->device, 4 * s->scratch_words, &s->scratch, err);
    if (code != SIB_OK)
        gpu_release(st);
    return code;
}

/* ---- Running ------------------------------------------------------------------------------------------- */

static gpu_range place_of(const node_view *n, const value *v, const buffer *b)
{
    gpu_tensor t;
    const bool known = gpu_tensor_of(n->graph, v, &t);
    SIB_ASSERT(known && b->memory);
    return (gpu_range){b->memory, b->offset, known ? t.bytes : 0};
}

static bool is_wide(const value *v)
{
    return v->type.dtype == SIB_F64;
}

static gpu_range range_of(const step *st, const gpu_operand *o, const buffer *const *in, buffer *const *out)
{
    const gpu_step *s = st->state;
    switch (o->source) {
    case GPU_IN:
        return s->constants[o->at].buffer ? s->constants[o->at]
                                          : place_of(&st->view, st->view.in[o->at], in[o->at]);
    case GPU_OUT:
        return place_of(&st->view, st->view.out[o->at], out[o->at]);
    default:
        return (gpu_range){o->source == GPU_OWN ? s->own->buffer : s->scratch, o->at, o->bytes};
    }
}

/* Holds the step's indices against their axes; those that the device made come to the host for it. */
static sib_code check_indices(const step *st, const buffer *const *in, sib_error *err)
{
    const gpu_step *s = st->state;
    const gpu_indices *x = &s->indices;
    const size_t bytes = x->count * x->depth * (x->dtype == SIB_I64 ? 8 : 4);
    if (!x->count || st->view.in[x->input]->constant)
        return SIB_OK;
    if (st->on_host >> x->input & 1 && !in[x->input]->stays)
        return gpu_indices_check(x, st->view.node, sib_value_tensor(in[x->input]->value)->data, err);
    void *made = mem_alloc(bytes, 1);
    if (!made)
        return err_memory(err, bytes, "indices");
    gpu_device *d = ((const gpu_self *)st->self)->device;
    sib_code code = gpu_download(d, place_of(&st->view, st->view.in[x->input], in[x->input]), made, err);
    if (code == SIB_OK)
        code = gpu_indices_check(x, st->view.node, made, err);
    mem_free(made);
    return code;
}

/* The device takes launches in the order of the calls, so what runs of the step have in its scratch stays apart as long
   as each lists all of its launches before another does. */
static sib_code launch_all(const step *st, const buffer *const *in, buffer *const *out, sib_error *err)
{
    gpu_step *s = st->state;
    sib_code code = SIB_OK;
    if (s->scratch)
        pthread_mutex_lock(&s->turn);
    const bool there = s->n_copies && in[0]->memory == out[0]->memory && in[0]->offset == out[0]->offset;
    for (size_t k = there ? s->n_copies : 0; k < s->n_rows && code == SIB_OK; k++) {
        const gpu_row *row = &s->rows[k];
        gpu_range ranges[GPU_BUFFERS];
        for (size_t i = 0; i < row->n; i++)
            ranges[i] = range_of(st, &row->operands[i], in, out);
        code = gpu_launch(((const gpu_self *)st->self)->device, row->kernel, row->n, ranges, row->args,
                          row->groups, err);
    }
    if (s->scratch)
        pthread_mutex_unlock(&s->turn);
    return code;
}

static sib_code gpu_run(const step *st, const buffer *const *in, buffer *const *out,
                        const struct sib_cancel *cancel, sib_error *err)
{
    gpu_device *d = ((const gpu_self *)st->self)->device;
    const node_view *n = &st->view;
    sib_code code = check_indices(st, in, err);
    (void)cancel; /* the run asks between steps */
    for (size_t i = 0; i < n->n_in && code == SIB_OK; i++)
        if (st->arrive >> i & 1 && !in[i]->stays && !gpu_is_empty(n->graph, n->in[i])) {
            const void *from = sib_value_tensor(in[i]->value)->data;
            const gpu_range to = place_of(n, n->in[i], in[i]);
            code = is_wide(n->in[i]) ? gpu_upload_wide(d, to, from, err) : gpu_upload(d, to, from, err);
        }
    if (code == SIB_OK)
        code = launch_all(st, in, out, err);
    for (size_t i = 0; i < n->n_out && code == SIB_OK; i++)
        if (st->leave >> i & 1 && !out[i]->stays) {
            void *to = sib_value_tensor(out[i]->value)->data;
            const gpu_range from = place_of(n, n->out[i], out[i]);
            code = is_wide(n->out[i]) ? gpu_download_wide(d, from, to, err) : gpu_download(d, from, to, err);
        }
    return code;
}

/* ---- The backend --------------------------------------------------------------------------------------- */

/* The name of a device for gpu_open. */
static void name_device(const char *driver, unsigned number, char out[64])
{
    snprintf(out, 64, "%s:%u", driver, number);
}

static sib_code open_driver(const char *driver, unsigned number, void **out, sib_error *err)
{
    char name[64];
    gpu_self *self = mem_calloc(1, sizeof *self);
    *out = self;
    if (!self)
        return err_memory(err, sizeof *self, "a backend");
    name_device(driver, number, name);
    sib_code code = gpu_open(name, &self->device, err);
    if (code == SIB_OK)
        code = gpu_constants_create(self->device, &self->constants, err);
    if (code == SIB_OK)
        code = gpu_alike_create(self->device, &self->alike, err);
    if (code == SIB_OK)
        return SIB_OK;
    gpu_constants_free(&self->constants);
    gpu_close(&self->device);
    mem_free(self);
    *out = NULL;
    return code;
}

static sib_code show_device(const char *driver, unsigned number, sib_backend_info *out, sib_error *err)
{
    char name[64];
    gpu_device *d;
    name_device(driver, number, name);
    sib_code code = gpu_open(name, &d, err);
    if (code != SIB_OK)
        return code;
    snprintf(out->device, sizeof out->device, "%s", d->name);
    snprintf(out->features, sizeof out->features, "%s", d->features);
    out->memory = d->memory;
    out->max_value = d->max_range;
    gpu_close(&d);
    return SIB_OK;
}

static sib_code measure_device(const char *driver, unsigned number, sib_device_rates *out, sib_error *err)
{
    char name[64];
    gpu_device *d;
    name_device(driver, number, name);
    sib_code code = gpu_open(name, &d, err);
    if (code == SIB_OK)
        code = gpu_measure(d, out, err);
    gpu_close(&d);
    return code;
}

static void gpu_shut(void **selfp)
{
    gpu_self *self = *selfp;
    if (!self)
        return;
    gpu_constants_free(&self->constants);
    gpu_alike_free(&self->alike);
    gpu_close(&self->device);
    mem_free(self);
    *selfp = NULL;
}

static sib_code alloc_values(void *self, size_t bytes, void **memory, sib_error *err)
{
    gpu_buffer *made = NULL;
    sib_code code = gpu_alloc(((gpu_self *)self)->device, bytes, &made, err);
    *memory = made;
    return code;
}

static void free_values(void *self, void **memory)
{
    gpu_buffer *made = *memory;
    gpu_free(((gpu_self *)self)->device, &made);
    *memory = NULL;
}

/* Values that stay. */
typedef struct kept {
    tensor_away head;
    gpu_device *device; /* shared */
    gpu_range range;
} kept;

static sib_code kept_fetch(const tensor_away *a, void *to, sib_error *err)
{
    const kept *k = (const kept *)a;
    return gpu_download(k->device, k->range, to, err);
}

static void kept_release(tensor_away *a)
{
    kept *k = (kept *)a;
    gpu_free(k->device, &k->range.buffer);
    gpu_close(&k->device);
    mem_free(k);
}

static sib_code keep_value(void *self, size_t bytes, tensor_away **out, sib_error *err)
{
    gpu_device *d = ((gpu_self *)self)->device;
    kept *k = mem_calloc(1, sizeof *k);
    *out = NULL;
    if (!k)
        return err_memory(err, sizeof *k, "a value");
    k->head = (tensor_away){.fetch = kept_fetch, .release = kept_release, .bytes = bytes};
    k->range.bytes = bytes;
    const sib_code code = gpu_alloc(d, bytes, &k->range.buffer, err);
    if (code != SIB_OK) {
        mem_free(k);
        return code;
    }
    gpu_share(d);
    k->device = d;
    *out = &k->head;
    return SIB_OK;
}

static void *kept_memory(const void *self, const tensor_away *a)
{
    const kept *k = (const kept *)a;
    return a->fetch == kept_fetch && k->device == ((const gpu_self *)self)->device ? k->range.buffer : NULL;
}

static sib_code finish(void *self, uint64_t *ns, sib_error *err)
{
    return gpu_finish(((gpu_self *)self)->device, ns, err);
}

/* The kernel that the step launches last. */
static const char *gpu_step_kernel(const step *st)
{
    const gpu_step *s = st->state;
    return gpu_kernel_name(s->rows[s->n_rows - 1].kernel);
}

/* The backend `text` on the devices of a driver. */
#define GPU_BACKEND(driver, text, says)                                                                      \
    static sib_code open_##driver(const sib_backend_options *options, void **out, sib_error *err)            \
    {                                                                                                        \
        return open_driver(#driver, options->device, out, err);                                              \
    }                                                                                                        \
    static sib_code show_##driver(unsigned number, sib_backend_info *out, sib_error *err)                    \
    {                                                                                                        \
        return show_device(#driver, number, out, err);                                                       \
    }                                                                                                        \
    static sib_code measure_##driver(unsigned number, sib_device_rates *out, sib_error *err)                 \
    {                                                                                                        \
        return measure_device(#driver, number, out, err);                                                    \
    }                                                                                                        \
    extern const sib_backend backend_gpu_##driver;                                                           \
    const sib_backend backend_gpu_##driver = {                                                               \
        .name = text,                                                                                        \
        .description = says,                                                                                 \
        .open = open_##driver,                                                                               \
        .close = gpu_shut,                                                                                   \
        .claims = gpu_claims,                                                                                \
        .prepare = gpu_prepare,                                                                              \
        .release = gpu_release,                                                                              \
        .run = gpu_run,                                                                                      \
        .alloc = alloc_values,                                                                               \
        .free = free_values,                                                                                 \
        .keep = keep_value,                                                                                  \
        .kept = kept_memory,                                                                                 \
        .finish = finish,                                                                                    \
        .asked = true,                                                                                       \
        .measure = measure_##driver,                                                                         \
        .device = show_##driver,                                                                             \
        .kernel = gpu_step_kernel,                                                                           \
    };
GPU_BACKEND(host, "gpu-host", "the GPU's kernels in C on this machine's processor, with every access checked")
GPU_BACKEND(vulkan, "vulkan", "a GPU that speaks Vulkan 1.2")
GPU_BACKEND(cuda, "cuda", "a GPU of NVIDIA's, by its own driver")
