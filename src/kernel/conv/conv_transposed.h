/* Transposed convolution over up to three axes, float, channels first:

       y[n, g M + m, q] = b[g M + m] + sum over c, p, k with p stride + k dilation - before = q
                                       of x[n, g C + c, p] w[g C + c, m, k]

   The products of all taps with a slab of the image are one matrix product, (m, k) x (c) times (c) x (p);
   its rows are then added up where they meet, a row of the output at a time, split by the stride so that
   neighbours stand together. ONNX ConvTranspose; the definition puts zeros between the elements of x,
   which meet weights as other numbers do: an infinite weight or one that is not a number makes NaN of
   them. */
#ifndef KERNEL_CONV_TRANSPOSED_H
#define KERNEL_CONV_TRANSPOSED_H

#include "kernel/conv/conv2d_plan.h"

typedef struct conv_transposed {
    size_t batch, groups, c, m; /* channels of a group: in, out */
    conv2d_axis axis[CONV2D_AXES];
    /* made by conv_transposed_make: */
    size_t taps, in_plane, out_plane;
    size_t band_axis;           /* that whose outputs are cut in bands; those before it have one element */
    size_t band, bands;         /* outputs along it of a band; bands */
    size_t inner_in, inner_out; /* elements of one place along it */
    size_t features, blocks;    /* output channels of a block; blocks of a group */
    size_t slab;                /* elements of the image that a band reads, at most */
    size_t phase_floats;        /* of a row of the output, one phase */
    size_t work_floats;         /* scratch of one worker */
    size_t workers;             /* threads, at most */
    bool odd_weights;           /* some are infinite or not numbers; set by whoever looked */
} conv_transposed;

/* What remains to be chosen, from batch, groups, c, m and axis. False: sizes that memory does not hold. */
bool conv_transposed_make(conv_transposed *t, unsigned threads);

/* w (groups * c, m, taps) as runs take it: (groups, m * taps, c), so many floats. *odd: whether an element
   is infinite or not a number. */
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
