/* Coefficients of fitted functions, shared by the portable and the vector kernels. The fits are our own:
   Lawson's reweighted least squares over Chebyshev nodes. Coefficients ascend. */
#ifndef SIMD_FITS_H
#define SIMD_FITS_H

/* erf x, in two pieces with the sign of x:
       |x| < 1:  x + x * S(x^2)                    fit error 1.2e-9, relative
       else:     1 - T(min(|x|, 3.92) - 2.5)       fit error 3.2e-8; exactly 1 at 3.92 after rounding */
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

/* The upper tail of the normal distribution, (1 - erf(a / sqrt 2)) / 2 = exp(-a^2 / 2) t R(t) with t = 1 / (1
   + 0.34 a), a in 0 .. 13: fit error 2.6e-8, relative. GELU computed from it keeps its precision for large
   negative arguments, where 1 + erf loses all. */
#define TAIL_COUNT 9
#define TAIL_BEND  0.34f
#define TAIL_LIMIT 13.0f

static const float tail_fit[TAIL_COUNT] = {
    1.356191039e-01f, 1.361379027e-01f,  1.150014848e-01f, 1.161740050e-01f,  -4.673868790e-02f,
    2.052536607e-01f, -2.759370804e-01f, 1.409106255e-01f, -2.642098814e-02f,
};

/* exp f = 1 + f + f^2 E(f) for |f| <= ln(2) / 2: fit error 3.1e-9. ln 2 is the sum of its two parts, the
   first so short that its multiples are exact. Adding EXP_MAGIC leaves the nearest integer in the low
   bits. */
#define EXP_COUNT    5
#define EXP_MAGIC    12582912.0f
#define EXP_LOG2E    1.44269504f
#define EXP_LN2_HIGH 0.693359375f
#define EXP_LN2_LOW  -2.121944417e-04f

static const float exp_fit[EXP_COUNT] = {
    4.999999404e-01f, 1.666652113e-01f, 4.166838899e-02f, 8.368716575e-03f, 1.381459762e-03f,
};

/* log (1 + f) = f - f^2 / 2 + f^3 L(f) for sqrt(1/2) <= 1 + f <= sqrt 2: fit error 5.8e-9, relative. */
#define LOG_COUNT 8
#define LN2_HIGH  0.693145752f /* 16 bits: its multiples by exponents are exact */
#define LN2_LOW   1.42860677e-06f

static const float log_fit[LOG_COUNT] = {
    3.333333135e-01f, -2.500081956e-01f, 2.000124156e-01f, -1.662340909e-01f,
    1.420158446e-01f, -1.315961927e-01f, 1.276216507e-01f, -7.636322081e-02f,
};

/* sin r = r + r^3 S(r^2) and cos r = 1 - r^2 / 2 + r^4 C(r^2) for |r| <= pi / 4: fit errors 1.7e-10 and
   1.2e-10, relative. pi / 2 is the sum of its three parts, which suffice for multiples of pi / 2 below
   2^17. */
#define SIN_COUNT      4
#define COS_COUNT      3
#define SIN_LIMIT      131072.0f
#define TWO_OVER_PI    0.636619747f
#define HALF_PI_HIGH   1.57079637f
#define HALF_PI_MIDDLE -4.37113883e-08f
#define HALF_PI_LOW    -1.71512451e-15f

static const float sin_fit[SIN_COUNT] = {-1.666666716e-01f, 8.333379403e-03f, -1.985307317e-04f,
                                         2.832724931e-06f};
static const float cos_fit[COS_COUNT] = {4.166664556e-02f, -1.388731063e-03f, 2.443255289e-05f};

#endif
