/* The public conv1d: checks, then a convolution over one axis (conv2d_plan.h). */
#include <sibyl/conv1d.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "kernel/conv/conv2d_plan.h"

#include <inttypes.h>

/* ---- Checks -------------------------------------------------------------------------------------- */

static sib_code check_fields(const sib_conv1d_spec *s, sib_error *err)
{
    const struct {
        const char *name;
        int64_t value, min;
    } fields[] = {
        {"batch", s->batch, 1},         {"in_channels", s->in_channels, 1},
        {"in_length", s->in_length, 1}, {"out_channels", s->out_channels, 1},
        {"kernel", s->kernel, 1},       {"stride", s->stride, 1},
        {"padding", s->padding, 0},     {"dilation", s->dilation, 1},
        {"groups", s->groups, 1},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value < fields[i].min)
            return err_set(err, SIB_ERR_ARGUMENT, "conv1d: %s is %" PRId64 ", expected at least %" PRId64,
                           fields[i].name, fields[i].value, fields[i].min);
    if (s->in_channels % s->groups)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "conv1d: in_channels is %" PRId64 ", expected a multiple of groups (%" PRId64 ")",
                       s->in_channels, s->groups);
    if (s->out_channels % s->groups)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "conv1d: out_channels is %" PRId64 ", expected a multiple of groups (%" PRId64 ")",
                       s->out_channels, s->groups);
    return SIB_OK;
}

sib_code sib_conv1d_out_length(const sib_conv1d_spec *spec, int64_t *out, sib_error *err)
{
    if (!spec || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "conv1d: %s is NULL", spec ? "out" : "spec");
    sib_code code = check_fields(spec, err);
    if (code != SIB_OK)
        return code;
    int64_t padded, reach;
    if (!i64_mul(spec->padding, 2, &padded) || !i64_add(padded, spec->in_length, &padded))
        return err_set(err, SIB_ERR_SIZE,
                       "conv1d: in_length %" PRId64 " with padding %" PRId64 " at both ends overflows",
                       spec->in_length, spec->padding);
    if (!i64_mul(spec->dilation, spec->kernel - 1, &reach) || !i64_add(reach, 1, &reach))
        return err_set(err, SIB_ERR_SIZE, "conv1d: kernel %" PRId64 " with dilation %" PRId64 " overflows",
                       spec->kernel, spec->dilation);
    if (reach > padded)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "conv1d: the output length is not positive: the kernel spans %" PRId64
                       " samples, the padded input has %" PRId64,
                       reach, padded);
    *out = (padded - reach) / spec->stride + 1;
    return SIB_OK;
}

/* The product of the three dims and the element size must fit an array's size. */
static sib_code check_array(const char *name, int64_t a, int64_t b, int64_t c, size_t element, sib_error *err)
{
    int64_t elements, bytes;
    if (i64_mul(a, b, &elements) && i64_mul(elements, c, &elements) &&
        i64_mul(elements, (int64_t)element, &bytes) && bytes <= PTRDIFF_MAX)
        return SIB_OK;
    return err_set(err, SIB_ERR_SIZE,
                   "conv1d: %s (%" PRId64 ", %" PRId64 ", %" PRId64
                   ") has more elements than memory can hold",
                   name, a, b, c);
}

static sib_code check_pointer(const char *name, const void *pointer, size_t element, sib_error *err)
{
    if (!pointer)
        return err_set(err, SIB_ERR_ARGUMENT, "conv1d: %s is NULL", name);
    if ((uintptr_t)pointer % element)
        return err_set(err, SIB_ERR_ARGUMENT, "conv1d: %s is not aligned to its element of %zu bytes", name,
                       element);
    return SIB_OK;
}

/* x, w, bias (NULL: none) and y are dense and aligned to their element of `element` bytes. */
static sib_code check_arrays(const sib_conv1d_spec *s, int64_t out_length, size_t element, const void *x,
                             const void *w, const void *bias, const void *y, sib_error *err)
{
    const struct {
        const char *name;
        const void *pointer;
        int64_t dims[3];
    } arrays[] = {
        {"x", x, {s->batch, s->in_channels, s->in_length}},
        {"w", w, {s->out_channels, s->in_channels / s->groups, s->kernel}},
        {"y", y, {s->batch, s->out_channels, out_length}},
        {"bias", bias, {1, 1, s->out_channels}},
    };
    size_t count = sizeof arrays / sizeof *arrays - (bias ? 0 : 1);
    sib_code code = SIB_OK;
    for (size_t i = 0; i < count && code == SIB_OK; i++) {
        const int64_t *d = arrays[i].dims;
        code = check_array(arrays[i].name, d[0], d[1], d[2], element, err);
    }
    for (size_t i = 0; i < count && code == SIB_OK; i++)
        code = check_pointer(arrays[i].name, arrays[i].pointer, element, err);
    return code;
}

/* ---- Run ------------------------------------------------------------------------------------------- */

/* Sums are made of parts of at most BLOCK_TERMS, which round less than one long sum. Those of more than
   LONG_SUM terms are added up in double: equal terms round the same way each time, so 960,000 of them in one
   float are off by 4e-3. */
#define LONG_SUM    8192
#define BLOCK_TERMS 384

/* One call's state. */
typedef struct conv1d {
    const kernel_table *kernels;
    bool gelu;
    conv2d_plan plan;
    size_t out_channels;
    const float *bias; /* (out_channels) or NULL: the caller's, or widened */
    float *widened;    /* the bias where it is not float32 */
    float *packed;     /* packed weights */
    float *scratch;    /* scratch of the workers */
    float *y;          /* the caller's; for float32 */
} conv1d;

/* Adds each channel's bias to the sums of y's elements begin .. begin + n - 1. The bias is added last: a sum
   that begins with a bias much larger than its terms rounds each of them to the bias's last digit. */
static void add_bias(const conv1d *c, size_t begin, size_t n, float *sums)
{
    size_t length = c->plan.out_plane;
    for (size_t i = 0, end; i < n; i = end) {
        size_t row = (begin + i) / length;
        end = size_min((row + 1) * length - begin, n);
        c->kernels->conv2d.shift(c->bias[row % c->out_channels], end - i, sums + i);
    }
}

/* The conv2d_call.adjust of a conv1d. */
static void adjust(const void *context, size_t begin, size_t n, float *sums)
{
    const conv1d *c = context;
    if (c->bias)
        add_bias(c, begin, n, sums);
    if (c->gelu)
        c->kernels->chain.op[CHAIN_gelu][CHAIN_F32](sums, NULL, NULL, sums, n);
}

/* The conv2d_call.finish of a conv1d of float32. */
static void finish(const void *context, size_t begin, size_t n)
{
    const conv1d *c = context;
    adjust(c, begin, n, c->y + begin);
}

static conv2d_shape shape_of(const sib_conv1d_spec *s, sib_dtype dtype, int64_t out_length)
{
    const conv2d_axis one = {1, 1, 1, 1, 0, 1, 0};
    conv2d_axis axis = {.in = (size_t)s->in_length,
                        .kernel = (size_t)s->kernel,
                        .stride = out_length > 1 ? (size_t)s->stride : 1,
                        .dilation = s->kernel > 1 ? (size_t)s->dilation : 1,
                        .before = (size_t)s->padding,
                        .out = (size_t)out_length};
    size_t channels = (size_t)(s->in_channels / s->groups);
    return (conv2d_shape){.kind = CONV2D_PRODUCT,
                          .x = dtype,
                          .y = dtype,
                          .batch = (size_t)s->batch,
                          .groups = (size_t)s->groups,
                          .c = channels,
                          .m = (size_t)(s->out_channels / s->groups),
                          .axis = {one, one, axis},
                          .part_terms = BLOCK_TERMS};
}

static sib_code allocate(conv1d *c, sib_dtype dtype, unsigned workers, const void *bias, sib_error *err)
{
    size_t packed = conv2d_packed_floats(&c->plan), scratch;
    if (!size_mul(c->plan.scratch_floats, workers, &scratch) || scratch > PTRDIFF_MAX / sizeof(float))
        return err_set(err, SIB_ERR_SIZE, "conv1d: its scratch is larger than memory can be");
    c->packed = mem_alloc(packed, sizeof(float));
    if (!c->packed)
        return err_memory(err, packed * sizeof(float), "the packed weights of conv1d");
    c->scratch = mem_alloc(scratch, sizeof(float));
    if (!c->scratch)
        return err_memory(err, scratch * sizeof(float), "the scratch of conv1d");
    c->bias = bias;
    if (!bias || dtype == SIB_F32)
        return SIB_OK;
    c->bias = c->widened = mem_alloc(c->out_channels, sizeof(float));
    if (!c->widened)
        return err_memory(err, c->out_channels * sizeof(float), "the bias of conv1d");
    conv2d_widen(&c->plan, dtype, bias, 0, c->out_channels, c->widened);
    return SIB_OK;
}

sib_code sib_conv1d(const sib_conv1d_spec *spec, sib_dtype dtype, sib_pool *pool, const void *x,
                    const void *w, const void *bias, void *y, sib_error *err)
{
    int64_t out_length;
    sib_code code = sib_conv1d_out_length(spec, &out_length, err);
    if (code != SIB_OK)
        return code;
    if (dtype != SIB_F32 && dtype != SIB_F16 && dtype != SIB_BF16)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "conv1d: dtype is number %d, expected float32, float16 or bfloat16", (int)dtype);
    code = check_arrays(spec, out_length, conv2d_element(dtype), x, w, bias, y, err);
    if (code != SIB_OK)
        return code;
    conv2d_shape shape = shape_of(spec, dtype, out_length);
    size_t block = shape.c * shape.axis[2].kernel > LONG_SUM ? BLOCK_TERMS : 0;
    conv1d c = {.kernels = kernel_table_get(),
                .gelu = spec->gelu,
                .out_channels = (size_t)spec->out_channels,
                .y = y};
    unsigned threads = sib_pool_threads(pool);
    sib_error why = SIB_ERROR_INIT;
    code = conv2d_plan_make_blocks(c.kernels, &shape, block, threads, &c.plan, &why);
    if (code != SIB_OK)
        return err_set(err, code, "conv1d: %s", why.message);
    code = allocate(&c, dtype, conv2d_workers(&c.plan, threads), bias, err);
    if (code == SIB_OK) {
        bool adjusts = bias || spec->gelu;
        conv2d_call call = {.plan = &c.plan,
                            .x = x,
                            .w = c.packed,
                            .y = y,
                            .scratch = c.scratch,
                            .finish = adjusts && dtype == SIB_F32 ? finish : NULL,
                            .adjust = adjusts && dtype != SIB_F32 ? adjust : NULL,
                            .context = &c};
        conv2d_pack(&c.plan, &(conv2d_weights){.dtype = dtype, .elements = w}, c.packed);
        conv2d_run(&call, pool);
    }
    mem_free(c.packed);
    mem_free(c.scratch);
    mem_free(c.widened);
    conv2d_plan_free(&c.plan);
    return code;
}
