/* See conv2d_int.h. */
#include "kernel/conv2d_int.h"

#include "base/cancel.h"
#include "base/size.h"

#include <string.h>

#define MOST_PIXELS   512
#define BAND_BYTES    196608 /* of B: stays in the second cache */
#define LEAST_ROWS    12     /* features below which making B costs what faster products save */
#define LEAST_TERMS   8
#define LEAST_PIXELS  16
#define LINE_FLOATS   16 /* of a cache line */
#define THREADS_LEAST 4  /* times CONV2D_ALONE_WORK */

/* ---- The plan --------------------------------------------------------------------------------------------- */

static size_t whole_lines(size_t bytes)
{
    return size_ceil_div(bytes, LINE_FLOATS * sizeof(float)) * LINE_FLOATS;
}

/* Whether every pixel of y has its own of x, in order. */
static bool is_direct(const conv2d_plan *p)
{
    if (p->taps != 1 || p->in_plane != p->out_plane)
        return false;
    for (size_t i = 0; i < CONV2D_AXES; i++)
        if (p->s.axis[i].before || (p->s.axis[i].stride != 1 && p->s.axis[i].out != 1))
            return false;
    return true;
}

/* From row to row of sums: not a power of two, where lines would fall on each other in the first cache. */
static size_t sum_row(const conv2d_int *i)
{
    return whole_lines(i->pixels * sizeof(int32_t)) + LINE_FLOATS;
}

static bool pays(const conv2d_plan *p, const gemm_int_kernels *t)
{
    bool bytes = p->s.kind == CONV2D_PRODUCT && (p->s.x == SIB_U8 || p->s.x == SIB_I8);
    return bytes && t->element == 1 && t->group == 4 && p->s.m >= LEAST_ROWS && p->k >= LEAST_TERMS &&
           p->out_plane >= LEAST_PIXELS && p->k < SIZE_MAX / 4096;
}

void conv2d_int_make(const conv2d_plan *p, unsigned threads, conv2d_int *out)
{
    const gemm_int_kernels *t = &p->table->gemm_int;
    *out = (conv2d_int){0};
    if (!pays(p, t))
        return;
    size_t images = p->s.batch * p->s.groups, features = p->s.groups * p->s.m;
    size_t lda = size_ceil_div(p->k, t->group) * t->group;
    size_t most = size_min(MOST_PIXELS, BAND_BYTES / lda);
    bool shared = threads > 1 && p->work > THREADS_LEAST * CONV2D_ALONE_WORK;
    if (shared)
        most = size_min(most, p->out_plane * images / (2 * (size_t)threads));
    size_t pixels = size_max(2, size_min(most, p->out_plane + t->nr - 1) / t->nr) * t->nr;
    out->tiles = t;
    out->lda = lda;
    out->direct = is_direct(p);
    out->pixels = pixels;
    out->bands = size_ceil_div(p->out_plane, pixels);
    out->items = images * out->bands;
    out->workers = shared && out->items > 1 ? threads : 1;
    out->packed_floats = whole_lines((features + 1) * lda) + whole_lines(2 * features * sizeof(int32_t));
    out->scratch_floats = whole_lines(lda * pixels + t->group * pixels) + (2 + t->mr) * sum_row(out);
}

/* ---- Weights ------------------------------------------------------------------------------------------------ */

/* Packed weights: (features + 1, lda) bytes 0 .. 255, the last row ones; then zero points as those bytes have them, and
   the sums of rows without their zero points. */
typedef struct rows_packed {
    const uint8_t *a;
    const uint32_t *zeros, *sums; /* (features) */
} rows_packed;

static rows_packed packed_at(const conv2d_int *i, const conv2d_plan *p, const float *w)
{
    size_t features = p->s.groups * p->s.m;
    const uint32_t *zeros = (const uint32_t *)(const void *)(w + whole_lines((features + 1) * i->lda));
    return (rows_packed){(const uint8_t *)w, zeros, zeros + features};
}

void conv2d_int_pack(const conv2d_int *i, const conv2d_plan *p, const conv2d_weights *w, void *dst)
{
    size_t features = p->s.groups * p->s.m;
    const uint8_t *from = w->elements;
    uint8_t *a = dst, flip = w->dtype == SIB_I8 ? 0x80 : 0;
    uint32_t *zeros = (uint32_t *)(void *)((float *)dst + whole_lines((features + 1) * i->lda));
    uint32_t *sums = zeros + features;
    memset(dst, 0, i->packed_floats * sizeof(float));
    for (size_t f = 0; f < features; f++, a += i->lda, from += p->k) {
        uint32_t sum = 0;
        for (size_t t = 0; t < p->k; t++) {
            a[t] = from[t] ^ flip;
            sum += a[t];
        }
        zeros[f] = (uint32_t)(w->zero ? w->zero[w->zero_each ? f : 0] : 0) + flip;
        sums[f] = sum - (uint32_t)p->k * zeros[f];
    }
    memset(a, 1, p->k);
}

/* ---- Pixels ------------------------------------------------------------------------------------------------- */

/* dst[j] = what tap (at[]) of the windows of pixels begin .. begin + n - 1 meets in channel x, `zero` outside. */
static void take_row(const conv2d_plan *p, const uint8_t *x, const size_t *at, size_t begin, size_t n,
                     uint8_t zero, uint8_t *restrict dst)
{
    const conv2d_axis *a = p->s.axis, *l = &a[2];
    size_t shift = at[2] * l->dilation; /* column o of y meets o * stride + shift of the padded image */
    size_t low = shift < l->before ? size_ceil_div(l->before - shift, l->stride) : 0;
    size_t high = shift < l->before + l->in ? size_ceil_div(l->before + l->in - shift, l->stride) : 0;
    size_t row = begin / l->out, column = begin % l->out, count;
    for (; n; n -= count, dst += count, row++, column = 0) {
        size_t slice = row / a[1].out * a[0].stride + at[0] * a[0].dilation;
        size_t line = row % a[1].out * a[1].stride + at[1] * a[1].dilation;
        count = size_min(n, l->out - column);
        if (slice < a[0].before || slice >= a[0].before + a[0].in || line < a[1].before ||
            line >= a[1].before + a[1].in) {
            memset(dst, zero, count);
            continue;
        }
        size_t first = size_min(size_max(low, column), column + count);
        size_t last = size_max(first, size_min(high, column + count));
        memset(dst, zero, first - column);
        memset(dst + (last - column), zero, column + count - last);
        if (first == last)
            continue;
        const uint8_t *from = x + ((slice - a[0].before) * a[1].in + line - a[1].before) * l->in +
                              (first * l->stride + shift - l->before);
        uint8_t *restrict to = dst + (first - column);
        if (l->stride == 1)
            memcpy(to, from, last - first);
        else if (l->stride == 2) /* a number that compilers know */
            for (size_t j = 0; j < last - first; j++)
                to[j] = from[2 * j];
        else
            for (size_t j = 0; j < last - first; j++)
                to[j] = from[j * l->stride];
    }
}

/* dst[j] = four rows' bytes at j */
static void interleave(const uint8_t *const *rows, size_t n, uint8_t flip, uint8_t *restrict dst)
{
    const uint8_t *r0 = rows[0], *r1 = rows[1], *r2 = rows[2], *r3 = rows[3];
    for (size_t j = 0; j < n; j++) {
        dst[4 * j] = r0[j] ^ flip;
        dst[4 * j + 1] = r1[j] ^ flip;
        dst[4 * j + 2] = r2[j] ^ flip;
        dst[4 * j + 3] = r3[j] ^ flip;
    }
}

/* A band of pixels as B: (pixels / nr, groups of terms, nr, 4) bytes -128 .. 127. x: of the batch and group; lines:
   (4, i->pixels). Terms behind k are any: the weights have zeros there. */
static void make_band(const conv2d_int *i, const conv2d_call *c, const uint8_t *x, size_t begin, size_t n,
                      uint8_t *lines, uint8_t *dst)
{
    const conv2d_plan *p = c->plan;
    const conv2d_axis *a = p->s.axis;
    size_t nr = i->tiles->nr;
    uint8_t flip = p->s.x == SIB_U8 ? 0x80 : 0;
    for (size_t t = 0; t < i->lda; t += 4) {
        const uint8_t *rows[4];
        for (size_t q = 0; q < 4; q++) {
            size_t term = size_min(t + q, p->k - 1), tap = term % p->taps;
            const uint8_t *channel = x + term / p->taps * p->in_plane;
            const size_t at[CONV2D_AXES] = {tap / (a[1].kernel * a[2].kernel),
                                            tap / a[2].kernel % a[1].kernel, tap % a[2].kernel};
            rows[q] = i->direct ? channel + begin : lines + q * i->pixels;
            if (!i->direct)
                take_row(p, channel, at, begin, n, (uint8_t)c->x_zero, lines + q * i->pixels);
        }
        uint8_t *to = dst + t * nr;
        for (size_t j = 0; j < n; j += nr, to += i->lda * nr) {
            interleave(rows, size_min(nr, n - j), flip, to);
            for (size_t q = 0; q < 4; q++)
                rows[q] += nr;
        }
    }
}

/* ---- Products ------------------------------------------------------------------------------------------------ */

/* sums[r] (n) of m rows of A from `a` on. */
static void multiply(const conv2d_int *i, const uint8_t *a, size_t m, const uint8_t *band, size_t n,
                     int32_t *sums)
{
    const gemm_int_kernels *t = i->tiles;
    gemm_int_tile tile = {.groups = i->lda / t->group, .a = a, .lda = i->lda, .ldc = sum_row(i)};
    for (size_t j = 0; j < n; j += t->nr) {
        tile.b = (const int8_t *)band + j * i->lda;
        tile.c = sums + j;
        t->tile[m](&tile, size_min(t->nr, n - j));
    }
}

/* Feature f's sums of n pixels, less what zero points make, to y, (n) of its dtype. */
static void give(const conv2d_call *c, const rows_packed *w, size_t f, const uint32_t *less, size_t n,
                 const int32_t *sums, void *y)
{
    const conv2d_kernels *k = c->plan->kernels;
    uint32_t x_zero = (uint32_t)c->x_zero - (c->plan->s.x == SIB_U8 ? 128 : 0);
    int32_t bias = (int32_t)((uint32_t)(c->whole_bias ? c->whole_bias[f] : 0) - x_zero * w->sums[f]);
    if (c->plan->s.y == SIB_I32) {
        k->less_to_s32(sums, less, bias, n, y);
        return;
    }
    double scale = c->scale[c->scale_each ? f : 0];
    if (c->plan->s.y == SIB_U8)
        k->less_to_u8(sums, less, bias, scale, c->y_zero, n, y);
    else
        k->less_to_s8(sums, less, bias, scale, c->y_zero, n, y);
}

static void finish_rows(const conv2d_call *c, size_t begin, size_t rows, size_t n)
{
    size_t plane = c->plan->out_plane;
    if (c->finish && n == plane)
        c->finish(c->context, begin, rows * n);
    for (size_t r = 0; c->finish && n != plane && r < rows; r++)
        c->finish(c->context, begin + r * plane, n);
}

static void run_item(const conv2d_int *i, const conv2d_call *c, size_t item, uint8_t *scratch)
{
    const conv2d_plan *p = c->plan;
    size_t image = item / i->bands, group = image % p->s.groups, mr = i->tiles->mr;
    size_t begin = item % i->bands * i->pixels, n = size_min(i->pixels, p->out_plane - begin);
    size_t line = sum_row(i), element = conv2d_element(p->s.y);
    rows_packed w = packed_at(i, p, c->w);
    float *words = (float *)(void *)scratch + whole_lines((i->lda + i->tiles->group) * i->pixels);
    int32_t *columns = (int32_t *)(void *)words, *sums = (int32_t *)(void *)(words + 2 * line);
    uint32_t *less = (uint32_t *)(void *)(words + line), less_zero = 0;
    make_band(i, c, (const uint8_t *)c->x + image * p->s.c * p->in_plane, begin, n,
              scratch + i->lda * i->pixels, scratch);
    multiply(i, w.a + p->s.groups * p->s.m * i->lda, 1, scratch, n, columns);
    memset(less, 0, n * sizeof *less);
    for (size_t m = 0, rows; m < p->s.m; m += rows) {
        size_t f = group * p->s.m + m, at = (image * p->s.m + m) * p->out_plane + begin;
        rows = size_min(mr, p->s.m - m);
        multiply(i, w.a + f * i->lda, rows, scratch, n, sums);
        for (size_t r = 0; r < rows; r++) {
            uint32_t zero = w.zeros[f + r];
            for (size_t j = 0; zero != less_zero && j < n; j++)
                less[j] = zero * (uint32_t)columns[j];
            less_zero = zero;
            give(c, &w, f + r, less, n, sums + r * sum_row(i),
                 (char *)c->y + (at + r * p->out_plane) * element);
        }
        finish_rows(c, at, rows, n);
    }
}

/* ---- The run ------------------------------------------------------------------------------------------------- */

typedef struct int_job {
    const conv2d_int *i;
    const conv2d_call *c;
} int_job;

static void run_items(void *context, size_t begin, size_t count, unsigned worker)
{
    const int_job *job = context;
    float *scratch = job->c->scratch + worker * job->i->scratch_floats;
    for (size_t item = begin; item < begin + count && !cancel_is_set(job->c->cancel); item++)
        run_item(job->i, job->c, item, (uint8_t *)scratch);
}

void conv2d_int_run(const conv2d_int *i, const conv2d_call *c, sib_pool *pool)
{
    int_job job = {i, c};
    if (i->workers == 1)
        run_items(&job, 0, i->items, 0);
    else
        pool_run(pool, i->items, 1, run_items, &job);
}
