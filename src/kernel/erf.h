/* erf for floats, in two pieces (our own fits: Lawson's reweighted least squares over 600 Chebyshev nodes):
       |x| < 1:  x + x * S(x^2)                    fit error 1.2e-9, relative
       else:     1 - T(min(|x|, 3.92) - 2.5)       fit error 3.2e-8; exactly 1 at 3.92 after rounding
   with the sign of x. Computed in float the largest relative error is 1.0e-7. Coefficients ascend. */
#ifndef KERNEL_ERF_H
#define KERNEL_ERF_H

#define ERF_SMALL_COUNT 7
#define ERF_LARGE_COUNT 13
#define ERF_SPLIT       1.0f
#define ERF_LIMIT       3.92f
#define ERF_CENTRE      2.5f

static const float erf_small[ERF_SMALL_COUNT] = {
    1.283791661e-01f, -3.761262596e-01f, 1.128358543e-01f, -2.685381286e-02f,
    5.188327748e-03f, -8.010193706e-04f, 7.853861462e-05f,
};

static const float erf_large[ERF_LARGE_COUNT] = {
    4.069299903e-04f,  -2.178068738e-03f, 5.446716212e-03f,  -8.353371173e-03f, 8.614924736e-03f,
    -6.102819461e-03f, 2.819052665e-03f,  -5.709097022e-04f, -2.873869380e-04f, 2.791929874e-04f,
    -6.148296961e-05f, -2.109753768e-05f, 9.055213923e-06f,
};

#endif
