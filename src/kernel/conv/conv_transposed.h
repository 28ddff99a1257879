/* Transposed convolution over up to three axes, float, channels first:

       y[n, g M + m, q] = b[g M + m] + sum over c, p, k with p stride + k dilation - before = q
                                       of x[n, g C + c, p] w[g C + c, m, k]

   The products of all taps with a slab of the image are one matrix product, (m, k) x (c) times (c) x (p); its
   rows are then added to the output, one row of it at a time, split into phases by the stride so that
   neighbours are adjacent. As in ONNX ConvTranspose, zeros between the elements of x are multiplied like
   other numbers: with an infinite or NaN weight they give NaN. */
#ifndef KERNEL_CONV_TRANSPOSED_H
#define KERNEL_CONV_TRANSPOSED_H

#include "kernel/conv/conv2d_plan.h"

typedef struct conv_transposed {
    size_t batch, groups, c, m; /* channels of a group: in, out */
    conv2d_axis axis[CONV2D_AXES];
    /* set by conv_transposed_make: */
    size_t taps, in_plane, out_plane;
    size_t band_axis;           /* its outputs are cut into bands; axes before it have one element */
    size_t band, bands;         /* outputs of a band along it; bands */
    size_t inner_in, inner_out; /* elements of one place along it */
    size_t features, blocks;    /* output channels of a block; blocks of a group */
    size_t slab;                /* max elements of the image that a band reads */
    size_t phase_floats; /* of a row of the output, or of all of a band's where short_rows, one phase */
    size_t work_floats;  /* scratch of one worker */
    size_t workers;      /* max threads */
    bool apart;          /* windows do not overlap and fill the output */
    bool short_rows;     /* apart: the rows of a band are transposed together */
    bool odd_weights;    /* some weights are infinite or NaN; set by the caller */
} conv_transposed;

/* Chooses the rest from batch, groups, c, m and axis. Returns false where sizes exceed memory. */
bool conv_transposed_make(conv_transposed *t, unsigned threads);

/* w (groups * c, m, taps) packed for runs: (groups, m * taps, c). *odd: whether an element is infinite or
   NaN. */
size_t conv_transposed_packed_floats(const conv_transposed *t);
void conv_transposed_pack(const conv_transposed *t, const float *w, float *packed, bool *odd);

typedef struct conv_transposed_call {
    const conv_transposed *t;
    const float *x;    /* (batch, groups * c, in...) */
    const float *w;    /* packed */
    const float *bias; /* (groups * m) or NULL */
    float *y;          /* (batch, groups * m, out...) */
    float *scratch;    /* (t->work_floats * t->workers), aligned as mem_alloc does */
    /* May be NULL: called for elements [begin, begin + count) of y that are complete and in the cache,
       each once. */
    void (*finish)(const void *context, size_t begin, size_t count);
    const void *context;
    const struct sib_cancel *cancel; /* may be NULL */
} conv_transposed_call;

void conv_transposed_run(const conv_transposed_call *call, sib_pool *pool);

#endif
