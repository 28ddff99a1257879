/* Convolution over up to three axes, float, channels first: the plan, made once, and the run.

       y[n, g M + m, p] = b[g M + m]
           + sum over c, k of x[n, g C + c, p stride + k dilation - before] w[g M + m, c, k]

   x is 0 out of range. These zeros are multiplied like any other number where a weight is not finite, so that an
   infinite one gives NaN; otherwise they may be left out, which changes no bit. The sum of an element runs over c
   and then k in this order in one float, independent of how work is split.

   Other dtypes are converted to float when copied to scratch. Sums of halves are rounded once. Integers are
   exact: sums of bytes minus their zero points stay below 2^24 for CONV2D_EXACT terms, and are then added as
   int32.

   Work is cut into items: a batch, a group, a position along the first axis, and a band of rows, or of
   columns of one row, of the last two axes. An item whose image must be padded or split for a stride is
   copied to scratch first, as phases: column i of phase f is column i * stride + f of the padded image, rows
   likewise. Then every tap of the kernel reads consecutive floats for consecutive pixels. With features in the
   lanes it is copied a block of channels at a time, whose terms are added for all pixels before the next. Small
   windows of a fixed size over single planes (depthwise: one input channel per output channel) have kernels
   that need no copy; large windows over them and small planes are computed with the planes in the lanes. */
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
    size_t after; /* padding after the last element that an average counts, where it counts padding */
} conv2d_axis;

typedef enum conv2d_kind {
    CONV2D_PRODUCT,
    CONV2D_LARGEST,       /* max over windows; c = m = 1, no weights, no bias; x is -inf out of range */
    CONV2D_AVERAGE,       /* over existing elements only */
    CONV2D_AVERAGE_PADDED /* over the padding before and after too */
} conv2d_kind;

/* Ways to compute a convolution: X(constant, name). The transforms are conv2d_winograd's, of floats alone. Ways differ
   in the last bits of sums. */
#define CONV2D_METHOD_LIST(X)                                                                                \
    X(PIXELS, "pixels")         /* pixels in the lanes, rows one by one */                                   \
    X(JOINED, "joined-rows")    /* pixels in the lanes, rows as one run */                                   \
    X(FEATURES, "features")     /* features in the lanes */                                                  \
    X(FEW, "few-pixels")        /* features in the lanes, all pixels at once */                              \
    X(PLANES, "planes")         /* depthwise: a plane without a copy */                                      \
    X(LANES, "lanes")           /* depthwise: planes in the lanes */                                         \
    X(WINOGRAD_2, "winograd-2") /* transforms of tiles of 2 x 2 pixels */                                    \
    X(WINOGRAD_4, "winograd-4")
typedef enum conv2d_method {
    CONV2D_BY_COSTS, /* the one with the least modelled time */
#define X(constant, name) CONV2D_##constant,
    CONV2D_METHOD_LIST(X)
#undef X
        CONV2D_METHODS
} conv2d_method;

typedef struct conv2d_shape {
    conv2d_kind kind;
    sib_dtype x, y; /* CONV2D_PRODUCT: one float dtype, or u8, s8 to u8, s8, i32; other kinds: f32 */
    size_t batch, groups, c, m; /* channels of a group: in, out */
    conv2d_axis axis[CONV2D_AXES];
    size_t part_terms;    /* sums of floats are made of parts of at most so many terms; 0: one part */
    conv2d_method method; /* wanted; costs decide where it does not fit or is a transform */
} conv2d_shape;

typedef struct conv2d_plan {
    const kernel_table *table;
    const conv2d_kernels *kernels;
    conv2d_shape s;               /* trivial axes are joined with others */
    size_t taps, k;               /* of one channel; c * taps */
    conv2d_method method;         /* none of the transforms */
    double times[CONV2D_METHODS]; /* modelled, beside one another; infinite where a method does not fit */
    size_t panels;                /* of rows of a group */
    size_t in_plane, out_plane;

    bool direct;    /* the image is read in place */
    bool features;  /* features are in the lanes, else pixels */
    bool no_border; /* features: terms beyond the image's rows are left out where all weights are finite */
    bool flat;      /* a band is one run of pixels; those between the rows are computed and dropped */
    size_t rows, row_bands;
    size_t columns, column_bands; /* of a band; more than one band only where rows is 1 */
    size_t chunk;                 /* pixels that all panels process before the next */
    size_t m_blocks;              /* items that share a band: panels are split into this many blocks */
    size_t items;

    conv2d_plane_run plane_run; /* kernel for single planes without a copy, or NULL */
    size_t planes;              /* planes of an item */
    conv2d_plane plane;
    bool in_lanes;    /* the planes are in the lanes */
    size_t few_width; /* features that a few pixels are multiplied with at once; 0: that method is not used */
    size_t pixels;    /* at once */
    int32_t *source;  /* (taps, out_plane): offset in a channel of x, or -1 */
    size_t step[CONV2D_AXES];   /* distance in the image of neighbours in scratch: the stride, or 1 */
    size_t phases[CONV2D_AXES]; /* of rows and columns; slices of the first axis */
    size_t pitch;               /* floats from row to row of the source */
    size_t phase_rows;
    size_t phase_floats, channel_floats; /* of scratch */
    size_t row_step;   /* floats from the first pixel of a row of the output to that of the next */
    bool integer;      /* x and w are bytes */
    size_t block;      /* terms that are summed at once, where that is not all; else 0 */
    size_t sum_floats; /* sums of a band before conversion to y, and their totals; 0 where y is float */
    size_t
        line_floats; /* of the image: one row as floats, where its dtype is another and it has several phases */
    size_t image_floats, tile_floats, scratch_floats; /* of one worker */
    float *counts[CONV2D_AXES]; /* averages: (out) elements that windows cover along an axis, else NULL */
    double work;                /* multiply-adds */
    int32_t *offset;            /* (k) */
} conv2d_plan;

/* Every axis: in, kernel, stride, dilation, out >= 1, and the last tap of the last window begins within
   before + in or after it. batch, groups, c, m >= 1. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code conv2d_plan_make(const kernel_table *kernels, const conv2d_shape *shape, unsigned threads,
                          conv2d_plan *out, sib_error *err);
/* The same for float sums in blocks of that many terms, which are added up in double; 0: one sum. */
sib_code conv2d_plan_make_blocks(const kernel_table *kernels, const conv2d_shape *shape, size_t block,
                                 unsigned threads, conv2d_plan *out, sib_error *err);
void conv2d_plan_free(conv2d_plan *p);

/* Floats of the packed weights. */
size_t conv2d_packed_floats(const conv2d_plan *p);

typedef struct conv2d_weights {
    sib_dtype dtype;      /* the plan's x, except that u8 and s8 may be mixed */
    const void *elements; /* (groups * m, c, kernel...) */
    const int32_t *zero;  /* of bytes: (groups * m) where zero_each, else one; NULL for 0 */
    bool zero_each;
} conv2d_weights;

/* dst: (conv2d_packed_floats). */
void conv2d_pack(const conv2d_plan *p, const conv2d_weights *w, float *dst);
/* Whether all of them are finite; known where the plan's no_border is set. */
bool conv2d_packed_finite(const conv2d_plan *p, const float *packed);

typedef struct conv2d_call {
    const conv2d_plan *plan;
    const void *x;     /* (batch, groups * c, in...) */
    const float *w;    /* from conv2d_pack */
    const float *bias; /* (groups * m) or NULL; for floats */
    void *y;           /* (batch, groups * m, out...) */
    int32_t x_zero, y_zero;
    const int32_t *int_bias; /* (groups * m) or NULL; for bytes in y, as the next two: see to_u8 */
    const double *scale;     /* (groups * m) where scale_each, else one */
    bool scale_each;
    bool clamped;    /* y is clamped to low .. high, NaN staying NaN; for floats */
    float low, high; /* of y's dtype */
    float *scratch;  /* (workers, plan->scratch_floats) */
    void (*finish)(const void *context, size_t begin,
                   size_t count); /* ranges of y that are complete; may be NULL */
    /* where y is of 16-bit floats: changes the sums of y's elements begin .. begin + n - 1 in place before
       they are rounded; may be NULL */
    void (*adjust)(const void *context, size_t begin, size_t n, float *sums);
    const void *context; /* of finish and adjust */
    const struct sib_cancel *cancel;
} conv2d_call;

/* Threads of a pool that the run uses. */
unsigned conv2d_workers(const conv2d_plan *p, unsigned threads);
/* A cancelled run is left unfinished. */
void conv2d_run(const conv2d_call *c, sib_pool *pool);

/* ---- Shared by the files of conv2d ------------------------------------------------------------------- */

/* Max multiply-adds for which waking threads costs more than it saves. */
#define CONV2D_ALONE_WORK 3e6

/* Items of a call by one of its other methods. */
typedef struct conv2d_items {
    const conv2d_call *call;
    const void *plan; /* of the method */
    void (*run)(const void *plan, const conv2d_call *call, size_t item, float *scratch);
    size_t n, scratch_floats; /* of one worker */
    unsigned workers;         /* 1: the calling thread alone */
} conv2d_items;

/* Runs them in any order, `grain` at a time, until the call is cancelled. */
void conv2d_run_items(const conv2d_items *items, size_t grain, sib_pool *pool);

/* First of part `index` where n things are cut into `parts` whose sizes differ by at most one. */
static inline size_t conv2d_cut(size_t n, size_t parts, size_t index)
{
    size_t min = n / parts, more = n % parts;
    return index * min + (index < more ? index : more);
}

/* Parts of a sum of k terms. */
static inline size_t conv2d_parts(const conv2d_plan *p, size_t k)
{
    return p->s.part_terms ? size_ceil_div(k, p->s.part_terms) : 1;
}

/* Vectors of features of a group. */
static inline size_t conv2d_vectors(const conv2d_plan *p)
{
    return (p->s.m + p->kernels->lanes - 1) / p->kernels->lanes;
}

/* First row of panel `index` of a group: panels are cut evenly, into full vectors where features are in the
   lanes. */
static inline size_t conv2d_panel_row(const conv2d_plan *p, size_t index)
{
    if (!p->features)
        return conv2d_cut(p->s.m, p->panels, index);
    size_t row = conv2d_cut(conv2d_vectors(p), p->panels, index) * p->kernels->lanes;
    return row < p->s.m ? row : p->s.m;
}

/* Coordinates of an item. */
typedef struct conv2d_item {
    size_t batch, group, place; /* along the first axis of the output */
    size_t row0, rows, column0, columns;
    size_t panel0, panel1;
} conv2d_item;

/* Single planes: whether they have their own kernel, how many are processed at once and thus the items, of
   which there should be `wanted`; an item, and its run. */
typedef struct conv2d_planes_item {
    size_t first, n, row0, rows; /* all rows where n > 1 */
} conv2d_planes_item;
bool conv2d_planes_pay(const conv2d_plan *p);
void conv2d_planes_make(conv2d_plan *p, size_t wanted);
conv2d_planes_item conv2d_planes_at(const conv2d_plan *p, size_t index);
void conv2d_planes_run(const conv2d_call *call, const conv2d_planes_item *at, float *scratch);

/* The same with the planes in the lanes: its modelled time beside that of other methods (infinite: it does not
   fit), the rest of the plan but for the counts of averages, an item and its run. */
double conv2d_lanes_ratio(const conv2d_plan *p);
sib_code conv2d_lanes_make(conv2d_plan *p, unsigned threads, sib_error *err);
conv2d_planes_item conv2d_lanes_at(const conv2d_plan *p, size_t index);
void conv2d_lanes_run(const conv2d_call *call, const conv2d_planes_item *at, float *scratch);

/* Min terms of a block of channels: with fewer, sums are read and written too often. */
#define CONV2D_BLOCK_TERMS 256

/* Features in the lanes: modelled time beside that of pixels in the lanes; floats of scratch for sums; the products of an item, clamped to low
   .. high. */
typedef struct conv2d_features {
    const conv2d_plan *p;
    const conv2d_item *at;
    const conv2d_call *call;
    const char *x;      /* of the batch and group */
    float *scratch;     /* of its image, where that is copied: a block of channels after the other */
    const float *image; /* the first pixel of the item: in x, or scratch */
    const float *w;     /* packed, of the group */
    bool no_border;     /* leave out terms beyond the image's rows */
    const float *bias;  /* of the group, or NULL */
    float low, high;
    float *y; /* the first pixel of the item, channels y_plane apart */
    size_t y_plane;
    float *sums; /* scratch */
} conv2d_features;
double conv2d_features_ratio(const conv2d_plan *p);
size_t conv2d_features_floats(const conv2d_plan *p);
/* Whether there are terms that meet zeros alone beyond the image's rows, and leaving them out pays. */
bool conv2d_features_no_border(const conv2d_plan *p);
/* Channels of the image that are copied at once. */
size_t conv2d_features_channels(const conv2d_plan *p);
void conv2d_features_run(const conv2d_features *o);
/* Floats of a row of packed weights of a group. */
static inline size_t conv2d_features_width(const conv2d_plan *p)
{
    return conv2d_vectors(p) * p->kernels->lanes;
}

/* Few pixels: modelled time beside that of pixels in the lanes, the rest of the plan, an item (batch, group, block of features). */
double conv2d_few_ratio(const conv2d_plan *p);
sib_code conv2d_few_make(conv2d_plan *p, unsigned threads, sib_error *err);
void conv2d_few_run(const conv2d_call *call, size_t index, float *scratch);
/* First feature of block `index` of a group, a multiple of few_width. */
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

/* Copies channels c0 .. c1 - 1 of the item's group to dst as phases. x: of the batch and group; dst: (p->image_floats),
   or what c1 - c0 channels take where the plan has no line_floats. */
void conv2d_fill(const conv2d_call *call, const conv2d_item *at, const char *x, size_t c0, size_t c1,
                 float *dst);
/* Fills with the value of the image out of range. */
void conv2d_pad(const conv2d_plan *p, float *dst, size_t n);
/* Bytes of an element. */
size_t conv2d_element(sib_dtype dtype);
/* dst[i] = src[i] as float, bytes minus their zero point. */
void conv2d_widen(const conv2d_plan *p, sib_dtype dtype, const void *src, int32_t zero, size_t n, float *dst);
/* dst[i] = src[i * step] as float, bytes minus their zero point. */
void conv2d_take(const conv2d_plan *p, sib_dtype dtype, const char *src, int32_t zero, size_t step, size_t n,
                 float *dst);
/* Writes n sums of an output channel to y: floats (after c->adjust), or integers. */
void conv2d_give(const conv2d_call *c, float *sums, const int32_t *whole, size_t channel, size_t n, char *y);

#endif
