/* Convolution over up to three axes, float, channels first: what is decided once, and the run.

       y[n, g M + m, p] = b[g M + m] + sum over c, k of x[n, g C + c, p stride + k dilation - before] w[g M + m, c, k]

   x is 0 outside. The zeros take part like any other number, so an infinite weight that meets one gives
   NaN. The sum of an element runs over c and then k in this order in one float, wherever the borders of
   tasks fall.

   Other dtypes are made float on their way into scratch. Sums of halves are rounded once. Integers are
   exact: sums of bytes without their zero points stay below 2^24 for CONV2D_EXACT terms, and are then
   added as int32.

   Work is cut into items: a batch, a group, a place along the first axis and a band of rows, or of columns
   of one row, of the last two. An item whose image must be padded or split for a stride is copied to
   scratch first, as phases: column i of phase f is column i * stride + f of the padded image, rows
   likewise. Then every tap of the kernel reads consecutive floats for consecutive pixels. Small windows of
   a fixed size over single planes, where an output channel has one input channel, have kernels that need
   no copy. */
#ifndef KERNEL_CONV2D_PLAN_H
#define KERNEL_CONV2D_PLAN_H

#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "kernel/kernel.h"
#include "tensor/dtype.h"

#define CONV2D_AXES  3
#define CONV2D_EXACT 256 /* |x - zero| and |w - zero| are at most 255 */

struct sib_cancel;

typedef struct conv2d_axis {
    size_t in, kernel, stride, dilation, before, out;
    size_t after; /* what an average counts behind the last element, where it counts the padding */
} conv2d_axis;

typedef enum conv2d_kind {
    CONV2D_PRODUCT,
    CONV2D_LARGEST,       /* of each window; c = m = 1, no weights and no bias; x is -infinity outside */
    CONV2D_AVERAGE,       /* over what exists */
    CONV2D_AVERAGE_PADDED /* over before and after too */
} conv2d_kind;

typedef struct conv2d_shape {
    conv2d_kind kind;
    sib_dtype x, y; /* f32, f16 and bf16 alike; or u8, s8 to u8, s8, i32; for kind CONV2D_PRODUCT, else f32 */
    size_t batch, groups, c, m; /* channels of a group: in, out */
    conv2d_axis axis[CONV2D_AXES];
} conv2d_shape;

typedef struct conv2d_plan {
    const kernel_table *table;
    const conv2d_kernels *kernels;
    conv2d_shape s; /* axes that do nothing joined with others */
    size_t taps, k; /* of one channel; c * taps */
    size_t panels;  /* of rows of a group */
    size_t in_plane, out_plane;

    bool direct;   /* the image is read where it stands */
    bool features; /* stand in the lanes, else pixels */
    bool flat;     /* a band is one run of pixels, with those between the rows computed and left out */
    size_t rows, row_bands;
    size_t columns, column_bands; /* of a band; more than one band where rows is 1 */
    size_t chunk;                 /* pixels that all panels take before the next */
    size_t m_blocks;              /* items that share a band: panels are cut in so many blocks */
    size_t items;

    conv2d_plane_run plane_run; /* of single planes without a copy, or NULL */
    size_t planes;              /* that an item has of them */
    conv2d_plane plane;
    size_t few_width; /* features that a few pixels are multiplied with at once; 0 for the other way round */
    size_t pixels;    /* at once */
    int32_t *source;  /* (taps, out_plane): where in a channel of x, or -1 */
    size_t
        step[CONV2D_AXES]; /* elements of the image that neighbours in scratch are apart: the stride, or 1 */
    size_t phases[CONV2D_AXES]; /* of rows and columns; slices of the first axis */
    size_t pitch;               /* floats from row to row of what is read */
    size_t phase_rows;
    size_t phase_floats, channel_floats; /* of scratch */
    size_t row_step; /* floats from the first pixel of a row of the output to that of the next */
    bool integer;    /* x and w are bytes */
    size_t block;    /* terms that are summed at once, where that is not all of them; else 0 */
    size_t
        part_terms; /* features in the lanes: the sum is made of parts of at most so many terms; 0: of one */
    size_t
        sum_floats; /* sums of a band that are not y yet, and where they are added up; 0 where y is float */
    size_t image_floats, tile_floats, scratch_floats; /* of one worker */
    float *counts[CONV2D_AXES]; /* averages: (out) elements that windows count along an axis, else NULL */
    double work;                /* multiply-adds */
    int32_t *offset;            /* (k) */
} conv2d_plan;

/* Every axis: in, kernel, stride, dilation, out >= 1, and the last tap of the last window begins within
   before + in or behind it. batch, groups, c, m >= 1. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code conv2d_plan_make(const kernel_table *kernels, const conv2d_shape *shape, unsigned threads,
                          conv2d_plan *out, sib_error *err);
/* The same for sums of floats in blocks of so many terms, which are added up in double; 0: one sum. */
sib_code conv2d_plan_make_blocks(const kernel_table *kernels, const conv2d_shape *shape, size_t block,
                                 unsigned threads, conv2d_plan *out, sib_error *err);
void conv2d_plan_free(conv2d_plan *p);

/* Floats that packed weights take. */
size_t conv2d_packed_floats(const conv2d_plan *p);

typedef struct conv2d_weights {
    sib_dtype dtype;      /* as the plan's x, but u8 and s8 either way */
    const void *elements; /* (groups * m, c, kernel...) */
    const int32_t *zero;  /* of bytes: (groups * m) where zero_each, else one; NULL for 0 */
    bool zero_each;
} conv2d_weights;

/* dst: (conv2d_packed_floats). */
void conv2d_pack(const conv2d_plan *p, const conv2d_weights *w, float *dst);

typedef struct conv2d_call {
    const conv2d_plan *plan;
    const void *x;     /* (batch, groups * c, in...) */
    const float *w;    /* as packed */
    const float *bias; /* (groups * m) or NULL; for floats */
    void *y;           /* (batch, groups * m, out...) */
    int32_t x_zero, y_zero;
    const int32_t *int_bias; /* (groups * m) or NULL; for y of bytes: see to_u8 of conv2d.h, likewise */
    const double *scale;     /* (groups * m) where scale_each, else one */
    bool scale_each;
    bool clamped;    /* y is kept between low and high, NaN staying NaN; for floats */
    float low, high; /* of y's dtype */
    float *scratch;  /* (workers, plan->scratch_floats) */
    void (*finish)(const void *context, size_t begin,
                   size_t count); /* ranges of y that are there; may be NULL */
    const void *context;
    const struct sib_cancel *cancel;
} conv2d_call;

/* Threads that the run will use of a pool's. */
unsigned conv2d_workers(const conv2d_plan *p, unsigned threads);
/* What is cancelled is left unfinished. */
void conv2d_run(const conv2d_call *c, sib_pool *pool);

/* ---- Between the files ------------------------------------------------------------------------------- */

/* Multiply-adds up to which waking threads costs more than they save. */
#define CONV2D_ALONE_WORK 3e6

/* Where part `index` of n things begins that are cut into `parts`, which differ by one at most. */
static inline size_t conv2d_cut(size_t n, size_t parts, size_t index)
{
    size_t min = n / parts, more = n % parts;
    return index * min + (index < more ? index : more);
}

/* Parts that a sum of k terms is made of. */
static inline size_t conv2d_parts(const conv2d_plan *p, size_t k)
{
    return p->part_terms ? size_ceil_div(k, p->part_terms) : 1;
}

/* Vectors of features of a group. */
static inline size_t conv2d_vectors(const conv2d_plan *p)
{
    return (p->s.m + p->kernels->lanes - 1) / p->kernels->lanes;
}

/* First row of a group that panel `index` has: panels are cut even, into whole vectors where features
   stand in them. */
static inline size_t conv2d_panel_row(const conv2d_plan *p, size_t index)
{
    if (!p->features)
        return conv2d_cut(p->s.m, p->panels, index);
    size_t row = conv2d_cut(conv2d_vectors(p), p->panels, index) * p->kernels->lanes;
    return row < p->s.m ? row : p->s.m;
}

/* Where an item stands. */
typedef struct conv2d_item {
    size_t batch, group, place; /* along the first axis of the output */
    size_t row0, rows, column0, columns;
    size_t panel0, panel1;
} conv2d_item;

/* Single planes: are they run by themselves, how many at once and so the items, of which there should be
   `wanted`; an item, and its run. */
typedef struct conv2d_planes_item {
    size_t first, n, row0, rows; /* all rows where n > 1 */
} conv2d_planes_item;
bool conv2d_planes_pay(const conv2d_plan *p);
void conv2d_planes_make(conv2d_plan *p, size_t wanted);
conv2d_planes_item conv2d_planes_at(const conv2d_plan *p, size_t index);
void conv2d_planes_run(const conv2d_call *call, const conv2d_planes_item *at, float *scratch);

/* Features in the lanes: does it pay; floats of scratch for sums; the products of an item, between low and
   high. */
typedef struct conv2d_features {
    const conv2d_plan *p;
    const conv2d_item *at;
    const float *image; /* the first pixel of the item */
    const float *w;     /* packed, of the group */
    const float *bias;  /* of the group, or NULL */
    float low, high;
    float *y; /* the first pixel of the item, channels y_plane apart */
    size_t y_plane;
    float *sums; /* scratch */
} conv2d_features;
bool conv2d_features_pay(const conv2d_plan *p);
size_t conv2d_features_floats(const conv2d_plan *p);
void conv2d_features_run(const conv2d_features *o);
/* Floats of a row of packed weights of a group. */
static inline size_t conv2d_features_width(const conv2d_plan *p)
{
    return conv2d_vectors(p) * p->kernels->lanes;
}

/* A few pixels: does it pay, the rest of the plan, an item (batch, group, block of features). */
bool conv2d_few_pays(const conv2d_plan *p);
sib_code conv2d_few_make(conv2d_plan *p, unsigned threads, sib_error *err);
void conv2d_few_run(const conv2d_call *call, size_t index, float *scratch);
/* First feature of a group that block `index` has, whole widths of them. */
static inline size_t conv2d_few_feature(const conv2d_plan *p, size_t index)
{
    size_t widths = (p->s.m + p->few_width - 1) / p->few_width;
    size_t feature = widths * index / p->m_blocks * p->few_width;
    return feature < p->s.m ? feature : p->s.m;
}
/* Floats of a group's packed weights: blocks of few_width features, (k, few_width) each. */
static inline size_t conv2d_few_floats(const conv2d_plan *p)
{
    return (p->s.m + p->few_width - 1) / p->few_width * p->few_width * p->k;
}

/* Bytes of an element. */
size_t conv2d_element(sib_dtype dtype);
/* dst[i] = src[i] as float, bytes without their zero point. */
void conv2d_widen(const conv2d_plan *p, sib_dtype dtype, const void *src, int32_t zero, size_t n, float *dst);
/* dst[i] = src[i * step] of the plan's x. */
void conv2d_take(const conv2d_plan *p, const char *src, int32_t zero, size_t step, size_t n, float *dst);
/* n sums of an output channel to y: floats, or integers. */
void conv2d_give(const conv2d_call *c, const float *sums, const int32_t *whole, size_t channel, size_t n,
                 char *y);

#endif
