/* Vectors as plain C structs of LANES numbers, with the operations that features/kernels/real_*.h map to the levels'
   vectors; they define those. The including file defines REAL, BITS (unsigned, same width), SIGNED_BITS,
   LANES, MANTISSA_BITS, SQRT_HALF_BITS. */
typedef struct {
    REAL v[LANES];
} vec;

#define EACH for (int lane = 0; lane < LANES; lane++)

static inline vec v_load(const REAL *p)
{
    vec r;
    EACH r.v[lane] = p[lane];
    return r;
}

static inline void v_store(REAL *p, vec a)
{
    EACH p[lane] = a.v[lane];
}

static inline void v_store_f32(float *p, vec a)
{
    EACH p[lane] = (float)a.v[lane];
}

static inline vec v_set1(REAL x)
{
    vec r;
    EACH r.v[lane] = x;
    return r;
}

static inline vec v_add(vec a, vec b)
{
    EACH a.v[lane] += b.v[lane];
    return a;
}

static inline vec v_sub(vec a, vec b)
{
    EACH a.v[lane] -= b.v[lane];
    return a;
}

static inline vec v_mul(vec a, vec b)
{
    EACH a.v[lane] *= b.v[lane];
    return a;
}

/* a b + c; levels with a fused multiply-add round once. */
static inline vec v_fma(vec a, vec b, vec c)
{
    EACH a.v[lane] = a.v[lane] * b.v[lane] + c.v[lane];
    return a;
}

/* a b - c */
static inline vec v_fms(vec a, vec b, vec c)
{
    EACH a.v[lane] = a.v[lane] * b.v[lane] - c.v[lane];
    return a;
}

/* c - a b */
static inline vec v_fnma(vec a, vec b, vec c)
{
    EACH a.v[lane] = c.v[lane] - a.v[lane] * b.v[lane];
    return a;
}

static inline vec v_max(vec a, vec b)
{
    EACH a.v[lane] = a.v[lane] > b.v[lane] ? a.v[lane] : b.v[lane];
    return a;
}

static inline vec v_min(vec a, vec b)
{
    EACH a.v[lane] = a.v[lane] < b.v[lane] ? a.v[lane] : b.v[lane];
    return a;
}

static inline vec v_sqrt(vec a)
{
    EACH a.v[lane] = (REAL)sqrt(a.v[lane]);
    return a;
}

/* x = 2^e m with sqrt(1/2) <= m < sqrt(2), for positive normal x; returns e. */
static inline vec v_exponent(vec x, vec *m)
{
    vec e;
    EACH
    {
        BITS bits;
        memcpy(&bits, &x.v[lane], sizeof bits);
        BITS above = bits - SQRT_HALF_BITS; /* may wrap: its top bits are the signed exponent */
        BITS mantissa = (above & (((BITS)1 << MANTISSA_BITS) - 1)) + SQRT_HALF_BITS;
        e.v[lane] = (REAL)((SIGNED_BITS)above >> MANTISSA_BITS);
        memcpy(&m->v[lane], &mantissa, sizeof mantissa);
    }
    return e;
}

/* Column n of dst (LANES numbers at dst + n * step) = row_i[n], i = lane, for n < LANES. */
static inline void v_transpose_rows(const float *const rows[LANES], size_t at, REAL *dst, size_t step)
{
    for (size_t n = 0; n < LANES; n++)
        EACH dst[n * step + (size_t)lane] = rows[lane][at + n];
}
