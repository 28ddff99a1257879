/* The work of a convolution; conv1d_plan.h says what is computed and in which order. */
#include "base/size.h"
#include "kernel/conv/conv1d_plan.h"

#include <string.h>

/* Bytes of packed weights that are used again and again while they lie in the second cache. */
#define A_BLOCK_BYTES (128 * 1024)

/* One task: a rectangle of Y of one batch and group. */
typedef struct {
    const conv_plan *p;
    const unsigned char *x; /* (group_in, length) of this batch and group */
    const float *left;      /* packed weights of this group */
    size_t group, batch;
    size_t row0, rows;       /* rows of Y */
    size_t column0, columns; /* columns of Y */
    size_t panel0, panels;   /* the rows, in panels of mr */
    size_t right_panels;     /* the columns, in panels of nr */
    size_t stride;           /* floats between rows of sum and total */
    float *right;            /* (right_panels, rows of the block, nr) */
    float *sum;              /* (panels * mr, stride) */
    float *total;            /* the same, or NULL */
    float *segment;          /* (segment_floats) */
    float *row;              /* (row_floats) */
} task;

/* ---- Packing ------------------------------------------------------------------------------------- */

void conv_pack_weights(void *plan, size_t begin, size_t count, unsigned worker)
{
    const conv_plan *p = plan;
    const kernel_table *t = p->kernels;
    float *rows = p->scratch + worker * p->scratch_floats; /* (mr, kc), where the weights are not float */
    for (size_t item = begin; item < begin + count; item++) {
        size_t group = item / p->m_panels, panel = item % p->m_panels;
        size_t row0 = panel * t->mr, m = size_min(t->mr, p->m - row0);
        const unsigned char *w = p->w + (group * p->m + row0) * p->k * p->element;
        for (size_t k0 = 0; k0 < p->k; k0 += p->kc) {
            size_t kc = size_min(p->kc, p->k - k0), ldw = p->k;
            float *dst = p->packed_w + group * p->packed_w_group + (k0 * p->m_panels + panel * kc) * t->mr;
            const float *src = (const float *)(const void *)w + k0;
            if (p->element != sizeof(float)) {
                for (size_t i = 0; i < m; i++)
                    p->widen(w + (i * p->k + k0) * p->element, rows + i * kc, kc);
                src = rows;
                ldw = kc;
            }
            t->gemm_pack_a(src, ldw, m, kc, dst);
        }
    }
}

/* Columns first .. first + count - 1 of a channel as float, zeros outside it. `channel`: (length). Returns a
   pointer into the channel where it is float and holds them all, else the segment. */
static const float *segment_of(const task *a, const unsigned char *channel, int64_t first, size_t count)
{
    const conv_plan *p = a->p;
    int64_t length = (int64_t)p->length, end = first + (int64_t)count;
    if (p->element == sizeof(float) && first >= 0 && end <= length)
        return (const float *)(const void *)channel + first;
    size_t zeros = first >= 0 ? 0 : size_min(count, (size_t)-first);
    size_t stop = end <= length ? count : first >= length ? 0 : (size_t)(length - first);
    memset(a->segment, 0, zeros * sizeof(float));
    if (zeros < stop)
        p->widen(channel + (size_t)(first + (int64_t)zeros) * p->element, a->segment + zeros, stop - zeros);
    stop = size_max(stop, zeros);
    memset(a->segment + stop, 0, (count - stop) * sizeof(float));
    return a->segment;
}

/* One row of X gathered element by element: for strides and dilations too wide for a segment. */
static const float *gathered_row(const task *a, const unsigned char *channel, int64_t first)
{
    const conv_plan *p = a->p;
    unsigned char *raw = (unsigned char *)a->segment; /* zero bits are +0 in every dtype */
    memset(raw, 0, a->columns * p->element);
    for (size_t i = 0; i < a->columns; i++) {
        int64_t at = first + (int64_t)i * p->stride;
        if (at >= 0 && at < (int64_t)p->length)
            memcpy(raw + i * p->element, channel + (size_t)at * p->element, p->element);
    }
    p->widen(raw, a->row, a->columns);
    return a->row;
}

/* Taps j0 .. j1 - 1 of one channel: so many rows of X into the panels at dst, `panel` floats apart. */
static void pack_taps(const task *a, size_t channel, size_t j0, size_t j1, float *dst, size_t panel)
{
    const conv_plan *p = a->p;
    const unsigned char *from = a->x + channel * p->length * p->element;
    int64_t first = (int64_t)a->column0 * p->stride - p->padding + (int64_t)j0 * p->dilation;
    size_t nr = p->kernels->nr, across, along, last;
    bool fits = size_mul(a->columns - 1, (size_t)p->stride, &across) &&
                size_mul(j1 - j0 - 1, (size_t)p->dilation, &along) && size_add(across, along, &last) &&
                last < p->segment_floats;
    if (fits) {
        const float *segment = segment_of(a, from, first, last + 1);
        for (size_t j = j0; j < j1; j++, dst += nr)
            p->kernels->gemm_pack_b_row(segment + (j - j0) * (size_t)p->dilation, (size_t)p->stride,
                                        a->columns, dst, panel);
        return;
    }
    for (size_t j = j0; j < j1; j++, dst += nr)
        p->kernels->gemm_pack_b_row(gathered_row(a, from, first + (int64_t)(j - j0) * p->dilation), 1,
                                    a->columns, dst, panel);
}

/* Rows k0 .. k0 + kc - 1 of X. */
static void pack_right(const task *a, size_t k0, size_t kc)
{
    size_t taps = a->p->taps, nr = a->p->kernels->nr;
    for (size_t row = k0; row < k0 + kc;) {
        size_t channel = row / taps, j0 = row % taps, j1 = size_min(taps, j0 + (k0 + kc - row));
        pack_taps(a, channel, j0, j1, a->right + (row - k0) * nr, kc * nr);
        row += j1 - j0;
    }
}

/* ---- Product ------------------------------------------------------------------------------------- */

/* sum += (or = ) W[, k0 .. k0 + kc] X[k0 .. k0 + kc,] over the tiles of the task. */
static void multiply_block(const task *a, size_t k0, size_t kc, bool add)
{
    const kernel_table *t = a->p->kernels;
    const float *left = a->left + (k0 * a->p->m_panels + a->panel0 * kc) * t->mr;
    size_t left_panel = kc * t->mr, right_panel = kc * t->nr;
    size_t resident = size_max(1, A_BLOCK_BYTES / (left_panel * sizeof(float)));
    for (size_t i0 = 0; i0 < a->panels; i0 += resident) {
        size_t i1 = size_min(a->panels, i0 + resident);
        for (size_t j = 0; j < a->right_panels; j++)
            for (size_t i = i0; i < i1; i++)
                t->gemm_tile(kc, left + i * left_panel, a->right + j * right_panel,
                             a->sum + i * t->mr * a->stride + j * t->nr, a->stride, add);
    }
}

static void flush_sums(const task *a, bool add)
{
    size_t n = a->panels * a->p->kernels->mr * a->stride;
    for (size_t i = 0; i < n; i++)
        a->total[i] = add ? a->total[i] + a->sum[i] : a->sum[i];
}

/* Bias, GELU, one rounding, and out. */
static void store_rows(const task *a, const float *sums)
{
    const conv_plan *p = a->p;
    const kernel_table *t = p->kernels;
    for (size_t i = 0; i < a->rows; i++) {
        size_t channel = a->group * p->m + a->row0 + i; /* of Co */
        unsigned char *out =
            p->y + ((a->batch * p->groups * p->m + channel) * p->n + a->column0) * p->element;
        float *dst = p->element == sizeof(float) ? (float *)(void *)out : a->row;
        float bias = -0.0f; /* x + -0 is x, whatever x is */
        if (p->bias)
            p->widen(p->bias + channel * p->element, &bias, 1);
        (p->gelu ? t->bias_gelu_f32 : t->bias_f32)(sums + i * a->stride, bias, dst, a->columns);
        if (p->element != sizeof(float))
            p->narrow(dst, out, a->columns);
    }
}

static void run_task(const task *a)
{
    const conv_plan *p = a->p;
    for (size_t block = 0; block < p->k_blocks; block++) {
        size_t k0 = block * p->kc, kc = size_min(p->kc, p->k - k0);
        pack_right(a, k0, kc);
        multiply_block(a, k0, kc, block % FLUSH_BLOCKS != 0);
        if (a->total && (block % FLUSH_BLOCKS == FLUSH_BLOCKS - 1 || block + 1 == p->k_blocks))
            flush_sums(a, block >= FLUSH_BLOCKS);
    }
    store_rows(a, a->total ? a->total : a->sum);
}

/* First item of block `index` where `items` are cut in `blocks`, the first of which have one more. */
static size_t block_start(size_t items, size_t blocks, size_t index)
{
    return items / blocks * index + size_min(index, items % blocks);
}

void conv_run_tasks(void *plan, size_t begin, size_t count, unsigned worker)
{
    const conv_plan *p = plan;
    size_t mr = p->kernels->mr, nr = p->kernels->nr;
    float *scratch = p->scratch + worker * p->scratch_floats;
    task a = {.p = p, .right = scratch};
    a.sum = a.right + p->right_floats;
    a.total = p->total_floats ? a.sum + p->sum_floats : NULL;
    a.segment = a.sum + p->sum_floats + p->total_floats;
    a.row = a.segment + p->segment_floats;
    for (size_t item = begin; item < begin + count; item++) {
        size_t column_block = item % p->n_blocks, rest = item / p->n_blocks;
        size_t row_block = rest % p->m_blocks;
        rest /= p->m_blocks;
        a.group = rest % p->groups;
        a.batch = rest / p->groups;
        size_t right0 = block_start(p->n_panels, p->n_blocks, column_block);
        a.panel0 = block_start(p->m_panels, p->m_blocks, row_block);
        a.panels = block_start(p->m_panels, p->m_blocks, row_block + 1) - a.panel0;
        a.row0 = a.panel0 * mr;
        a.rows = size_min(a.panels * mr, p->m - a.row0);
        a.right_panels = block_start(p->n_panels, p->n_blocks, column_block + 1) - right0;
        a.column0 = right0 * nr;
        a.columns = size_min(a.right_panels * nr, p->n - a.column0);
        a.stride = p->n_block * nr;
        a.x = p->x + (a.batch * p->groups + a.group) * p->group_in * p->length * p->element;
        a.left = p->packed_w + a.group * p->packed_w_group;
        run_task(&a);
    }
}
