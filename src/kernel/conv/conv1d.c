/* The public face of conv1d: checks, and the plan that conv1d_blocks.c carries out. */
#include <sibyl/conv1d.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "kernel/conv/conv1d_plan.h"

#include <inttypes.h>
#include <string.h>

/* ---- Checks -------------------------------------------------------------------------------------- */

static sib_code check_fields(const sib_conv1d_spec *s, sib_error *err)
{
    const struct {
        const char *name;
        int64_t value, least;
    } fields[] = {
        {"batch", s->batch, 1},         {"in_channels", s->in_channels, 1},
        {"in_length", s->in_length, 1}, {"out_channels", s->out_channels, 1},
        {"kernel", s->kernel, 1},       {"stride", s->stride, 1},
        {"padding", s->padding, 0},     {"dilation", s->dilation, 1},
        {"groups", s->groups, 1},
    };
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (fields[i].value < fields[i].least)
            return err_set(err, SIB_ERR_ARGUMENT, "conv1d: %s is %" PRId64 ", expected at least %" PRId64,
                           fields[i].name, fields[i].value, fields[i].least);
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

/* The product of three sizes and the element must be a size that an array can have. */
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

/* ---- Element types ------------------------------------------------------------------------------- */

static void copy_f32(const void *src, float *dst, size_t n)
{
    memcpy(dst, src, n * sizeof *dst);
}

static sib_code choose_dtype(conv_plan *p, sib_dtype dtype, sib_error *err)
{
    const kernel_table *t = p->kernels;
    p->element = sizeof(uint16_t);
    switch (dtype) {
    case SIB_F32:
        p->element = sizeof(float);
        p->widen = copy_f32;
        return SIB_OK;
    case SIB_F16:
        p->widen = t->widen_f16;
        p->narrow = t->narrow_f16;
        return SIB_OK;
    case SIB_BF16:
        p->widen = t->widen_bf16;
        p->narrow = t->narrow_bf16;
        return SIB_OK;
    default:
        return err_set(err, SIB_ERR_ARGUMENT,
                       "conv1d: dtype is number %d, expected float32, float16 or bfloat16", (int)dtype);
    }
}

/* ---- Plan ---------------------------------------------------------------------------------------- */

/* Floats that the block of X and the sums of a task may take each. They stream from the last cache while the
   weights stay in the second; wide tasks pay less often for a row of x on a new page. */
#define TASK_FLOATS (128 * 1024)
/* Columns of a task at least and rows at most, in panels, before threads ask for smaller tasks. */
#define TASK_MIN_COLUMN_PANELS 4
#define TASK_MAX_ROWS          1536
/* Longest stretch of x that is made float at once. */
#define SEGMENT_FLOATS (32 * 1024)
/* Tasks that each thread should find, so that they end together. */
#define TASKS_PER_THREAD 4
/* Multiply-adds that a thread takes at once, at least. */
#define PIECE_WORK 200000.0
/* Multiply-adds up to which waking threads costs more than they save. */
#define ALONE_WORK 2e6

/* Tasks are rectangles of Y. Blocks of rows and of columns differ by a panel at most, and there are as many
   for each thread where that can be, so that all end together. */
static void choose_blocks(conv_plan *p, unsigned threads)
{
    size_t mr = p->kernels->mr, nr = p->kernels->nr;
    p->k_blocks = size_ceil_div(p->k, p->kernels->kc);
    p->kc = size_ceil_div(p->k, p->k_blocks);
    p->k_blocks = size_ceil_div(p->k, p->kc);
    p->m_panels = size_ceil_div(p->m, mr);
    p->n_panels = size_ceil_div(p->n, nr);
    size_t m_most = size_min(p->m_panels, TASK_MAX_ROWS / mr);
    size_t n_most = size_max(TASK_MIN_COLUMN_PANELS, TASK_FLOATS / (size_max(p->kc, m_most * mr) * nr));
    p->m_blocks = size_ceil_div(p->m_panels, m_most);
    p->n_blocks = size_ceil_div(p->n_panels, n_most);
    /* No product of tasks overflows: it is at most the elements of y. */
    size_t wanted = threads > 1 ? TASKS_PER_THREAD * (size_t)threads : 1;
    while (p->batch * p->groups * p->m_blocks * p->n_blocks < wanted) {
        if (p->n_panels / p->n_blocks > 2)
            p->n_blocks *= 2;
        else if (p->m_panels / p->m_blocks > 2)
            p->m_blocks *= 2;
        else
            break;
    }
    size_t others = p->batch * p->groups * p->m_blocks;
    if (others % threads != 0)
        p->n_blocks = size_min(p->n_panels, size_ceil_div(p->n_blocks, threads) * threads);
    p->m_block = size_ceil_div(p->m_panels, p->m_blocks);
    p->n_block = size_ceil_div(p->n_panels, p->n_blocks);
    p->tasks = others * p->n_blocks;
}

static size_t whole_lines(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

/* Memory for packed weights and for each worker's scratch. */
static sib_code allocate(conv_plan *p, unsigned workers, sib_error *err)
{
    size_t mr = p->kernels->mr, nr = p->kernels->nr, columns = p->n_block * nr;
    size_t rows, weights, across, along, segment;
    bool fits = size_mul(p->m_panels, mr, &rows) && size_mul(rows, p->k, &p->packed_w_group) &&
                size_mul(p->packed_w_group, p->groups, &weights) && weights <= PTRDIFF_MAX / sizeof(float);
    if (!fits)
        return err_set(err, SIB_ERR_SIZE, "conv1d: the packed weights are larger than memory can be");
    if (!size_mul(columns, (size_t)p->stride, &across) ||
        !size_mul(size_min(p->taps, p->kc), (size_t)p->dilation, &along) ||
        !size_add(across, along, &segment) || segment > SEGMENT_FLOATS)
        segment = SEGMENT_FLOATS;
    p->right_floats = whole_lines(p->kc * size_max(columns, mr));
    p->sum_floats = whole_lines(p->m_block * mr * columns);
    p->total_floats = p->k_blocks > FLUSH_BLOCKS ? p->sum_floats : 0;
    p->segment_floats = whole_lines(size_max(segment, columns));
    p->row_floats = whole_lines(columns);
    p->scratch_floats = p->right_floats + p->sum_floats + p->total_floats + p->segment_floats + p->row_floats;
    p->packed_w = mem_alloc(weights, sizeof(float));
    if (!p->packed_w)
        return err_memory(err, weights * sizeof(float), "the packed weights of conv1d");
    p->scratch = mem_alloc(p->scratch_floats * workers, sizeof(float));
    if (!p->scratch)
        return err_memory(err, p->scratch_floats * workers * sizeof(float), "the blocks of conv1d");
    return SIB_OK;
}

/* Items that a thread takes at once where each costs `work` multiply-adds. */
static size_t grain_for(size_t items, double work, unsigned threads)
{
    double enough = PIECE_WORK / work + 1.0;
    size_t share = size_ceil_div(items, TASKS_PER_THREAD * (size_t)threads);
    return enough < (double)share ? size_max(1, (size_t)enough) : size_max(1, share);
}

static sib_code run(conv_plan *p, sib_pool *pool, sib_error *err)
{
    double work = (double)p->batch * (double)p->groups * (double)p->m * (double)p->n * (double)p->k;
    if (work <= ALONE_WORK)
        pool = NULL;
    unsigned threads = sib_pool_threads(pool);
    choose_blocks(p, threads);
    sib_code code = allocate(p, threads, err);
    if (code == SIB_OK) {
        size_t items = p->groups * p->m_panels;
        double k = (double)p->k, mr = (double)p->kernels->mr, nr = (double)p->kernels->nr;
        double task_work = k * mr * nr * (double)p->m_block * (double)p->n_block;
        pool_run_and_stay(pool, items, grain_for(items, k * mr * nr, threads), conv_pack_weights, p);
        pool_run(pool, p->tasks, grain_for(p->tasks, task_work, threads), conv_run_tasks, p);
    }
    mem_free(p->packed_w);
    mem_free(p->scratch);
    return code;
}

sib_code sib_conv1d(const sib_conv1d_spec *spec, sib_dtype dtype, sib_pool *pool, const void *x,
                    const void *w, const void *bias, void *y, sib_error *err)
{
    int64_t out_length;
    sib_code code = sib_conv1d_out_length(spec, &out_length, err);
    conv_plan p = {.kernels = kernel_table_get(), .x = x, .w = w, .bias = bias, .y = y};
    if (code != SIB_OK || (code = choose_dtype(&p, dtype, err)) != SIB_OK)
        return code;
    const sib_conv1d_spec *s = spec;
    int64_t group_in = s->in_channels / s->groups;
    if ((code = check_array("x", s->batch, s->in_channels, s->in_length, p.element, err)) != SIB_OK ||
        (code = check_array("w", s->out_channels, group_in, s->kernel, p.element, err)) != SIB_OK ||
        (code = check_array("y", s->batch, s->out_channels, out_length, p.element, err)) != SIB_OK ||
        (code = check_pointer("x", x, p.element, err)) != SIB_OK ||
        (code = check_pointer("w", w, p.element, err)) != SIB_OK ||
        (code = check_pointer("y", y, p.element, err)) != SIB_OK ||
        (bias && (code = check_pointer("bias", bias, p.element, err)) != SIB_OK))
        return code;
    p.gelu = s->gelu;
    p.batch = (size_t)s->batch;
    p.groups = (size_t)s->groups;
    p.group_in = (size_t)group_in;
    p.length = (size_t)s->in_length;
    p.taps = (size_t)s->kernel;
    p.stride = s->stride;
    p.padding = s->padding;
    p.dilation = s->dilation;
    p.m = (size_t)(s->out_channels / s->groups);
    p.n = (size_t)out_length;
    p.k = p.group_in * p.taps;
    return run(&p, pool, err);
}
