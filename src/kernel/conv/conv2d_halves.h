/* Convolutions of 16-bit floats by transforms (conv2d_winograd_plan.h): one image at a time is widened to
   float, and results are rounded once, as soon as they are complete. */
#ifndef KERNEL_CONV2D_HALVES_H
#define KERNEL_CONV2D_HALVES_H

#include "kernel/conv/conv2d_winograd_plan.h"

typedef struct conv2d_halves {
    conv2d_plan plan; /* of one image, float */
    conv2d_winograd transforms;
    bool used;       /* else the other members are unset */
    size_t x_floats; /* of scratch: the image, followed by its results and the workers' scratch */
    size_t y_floats;
    size_t scratch_floats; /* all of it */
} conv2d_halves;

/* p: of f16 or bf16. Errors: those of conv2d_plan_make. */
sib_code conv2d_halves_make(const conv2d_plan *p, unsigned threads, conv2d_halves *out, sib_error *err);
void conv2d_halves_free(conv2d_halves *h);
/* dst: (transforms.packed_floats). Errors: SIB_ERR_MEMORY. */
sib_code conv2d_halves_pack(const conv2d_halves *h, const conv2d_weights *w, float *dst, sib_error *err);
/* As conv2d_run; call->plan is that of halves. */
void conv2d_halves_run(const conv2d_halves *h, const conv2d_call *call, sib_pool *pool);

#endif
