/* Elementwise functions of one type of float in plain C, which compilers vectorize where they can. Included
   with REAL, the type; and NAME(op), the name of its function. */

#define REAL_LOOP(op, result, formula)                                                                       \
    static void NAME(op)(const void *a, const void *b, const void *c, void *out, size_t n)                   \
    {                                                                                                        \
        const REAL *left = a, *right = b ? b : a;                                                            \
        result *z = out;                                                                                     \
        (void)c;                                                                                             \
        _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++)                                                  \
        {                                                                                                    \
            REAL x = left[i], y = right[i];                                                                  \
            (void)y;                                                                                         \
            z[i] = (result)(formula);                                                                        \
        }                                                                                                    \
    }

REAL_LOOP(sign, REAL, x != x ? x : (REAL)((x > 0) - (x < 0)))
REAL_LOOP(tan, REAL, tan((double)x))
REAL_LOOP(asin, REAL, asin((double)x))
REAL_LOOP(acos, REAL, acos((double)x))
REAL_LOOP(atan, REAL, atan((double)x))
REAL_LOOP(sinh, REAL, sinh((double)x))
REAL_LOOP(cosh, REAL, cosh((double)x))
REAL_LOOP(asinh, REAL, asinh((double)x))
REAL_LOOP(acosh, REAL, acosh((double)x))
REAL_LOOP(atanh, REAL, atanh((double)x))
REAL_LOOP(is_nan, uint8_t, x != x)
REAL_LOOP(is_inf, uint8_t, (x < 0 ? -x : x) == (REAL)INFINITY)
REAL_LOOP(mod, REAL, chain_floor_mod((double)x, (double)y))
REAL_LOOP(fmod, REAL, fmod((double)x, (double)y))
REAL_LOOP(pow, REAL,
          sizeof x == sizeof(float) ? (REAL)powf((float)x, (float)y) : (REAL)pow((double)x, (double)y))
REAL_LOOP(equal, uint8_t, x == y)
REAL_LOOP(less, uint8_t, x < y)
REAL_LOOP(less_equal, uint8_t, x <= y)

static void NAME(real_init)(chain_kernels *k, chain_type type)
{
#define REAL_ENTRY(name) k->op[CHAIN_##name][type] = NAME(name);
    REAL_ENTRY(sign)
    REAL_ENTRY(tan)
    REAL_ENTRY(asin)
    REAL_ENTRY(acos)
    REAL_ENTRY(atan)
    REAL_ENTRY(sinh)
    REAL_ENTRY(cosh)
    REAL_ENTRY(asinh)
    REAL_ENTRY(acosh)
    REAL_ENTRY(atanh)
    REAL_ENTRY(is_nan)
    REAL_ENTRY(is_inf)
    REAL_ENTRY(mod)
    REAL_ENTRY(fmod)
    REAL_ENTRY(pow)
    REAL_ENTRY(equal)
    REAL_ENTRY(less)
    REAL_ENTRY(less_equal)
#undef REAL_ENTRY
}
