/* Shapes of convolutions, and problems in floats with their results by the definition in double: shared by
   the tests of the drivers. */
#ifndef TESTS_KERNEL_CONV_PROBLEM_H
#define TESTS_KERNEL_CONV_PROBLEM_H

#include "check.h"
#include "kernel/conv/conv2d_plan.h"

/* ---- Shapes -------------------------------------------------------------------------------------------- */

#define CONV_NO_AXIS                                                                                         \
    {                                                                                                        \
        1, 1, 1, 1, 0, 1, 0                                                                                  \
    }

static inline size_t conv_pick(check_random *r, size_t min, size_t max)
{
    return min + check_u64(r) % (max - min + 1);
}

/* An axis of `in` elements with a random window that fits. */
conv2d_axis conv_axis(check_random *r, size_t in, size_t kernel, size_t max_stride);
/* An axis with `pad` elements of padding at both ends. */
conv2d_axis conv_padded_axis(size_t in, size_t kernel, size_t stride, size_t pad);

/* Product of a field of the axes: in, out or kernel. */
#define CONV_VOLUME(s, field) ((s)->axis[0].field * (s)->axis[1].field * (s)->axis[2].field)

const char *conv_text(const conv2d_shape *s);

/* The places in a channel of x that position `at` of y reads, SIZE_MAX for padding. sources: one per tap,
   (CONV_VOLUME(s, kernel)). */
void conv_sources(const conv2d_shape *s, size_t at, size_t *sources);

/* ---- Problems ------------------------------------------------------------------------------------------ */

typedef struct conv_problem {
    conv2d_shape s;
    size_t in, out, taps, features; /* of a channel; groups * m */
    size_t nx, nw, ny;
    float *x, *w, *bias, *y; /* (nx), (nw), (features) or NULL, (ny) */
    double *expected;        /* y by its definition */
    double *size, *seen;     /* sums of |x w|, but for integers, and of |x| over the window */
    unsigned char *finished; /* how often each element of y was */
    bool clamped;
    float low, high;
} conv_problem;

/* Zeros, at least one; mem_free. */
void *conv_room(size_t n, size_t size);
/* Random x, w and sometimes a bias: integers in -8 .. 8, which floats sum exactly, or fractions. */
void conv_make(conv_problem *p, const conv2d_shape *s, check_random *r, bool integers);
/* Computes expected, size and seen. */
void conv_reference(conv_problem *p);
void conv_drop(conv_problem *p);

/* The call that solves p; its y, its scratch of n floats and its marks are reset. */
conv2d_call conv_call_of(conv_problem *p, const conv2d_plan *plan, const float *packed, float *scratch,
                         size_t n);
/* `finish` of a call: counts in context, (ny) bytes. */
void conv_mark_finished(const void *context, size_t begin, size_t count);
/* Fails unless every element was finished once. */
void conv_check_finished(const conv2d_shape *s, const char *level, const unsigned char *finished, size_t ny);

#endif
