/* Plan of a real transform of any size: mixed radix over the prime factors of the complex size. */
#ifndef FEATURES_FFT_PLAN_H
#define FEATURES_FFT_PLAN_H

#include <sibyl/base.h>

#define FFT_MAX_PASSES 24

/* One pass transforms in (ido, radix, l1) to out (ido, l1, radix), first index fastest (the layout of
   Swarztrauber's FFTPACK):
       out[i, k, j] = w^(i j) sum over q of in[i, q, k] exp(-2 pi i q j / radix)
   with w = exp(-2 pi i / (ido radix)). */
typedef struct fft_pass {
    int32_t radix, ido, l1;
    const double *twiddles; /* (radix - 1, ido, 2): cos and -sin of w^(i j), j from 1 */
    const double *roots;    /* (radix, 2): cos and -sin of 2 pi q / radix */
} fft_pass;

/* n real values are treated as n / 2 complex ones where n is even (even and odd samples), else as n
   complex. */
typedef struct fft_plan {
    int32_t n, n_complex, n_passes;
    fft_pass passes[FFT_MAX_PASSES];
    const double *split; /* (n / 2 + 1, 2): cos and -sin of 2 pi k / n; even n only */
    double *numbers;     /* all of the above in one block, owned */
} fft_plan;

/* n >= 2. Errors: SIB_ERR_MEMORY. */
sib_code fft_plan_make(fft_plan *plan, int32_t n, sib_error *err);
void fft_plan_free(fft_plan *plan);

#endif
