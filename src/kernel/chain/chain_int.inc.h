/* Elementwise functions of one type of integer in plain C, which compilers vectorize where they can. Included
   with INT, the type; WIDE, the unsigned type in which it is computed; and NAME(op), the name of its
   function. Results computed in WIDE and truncated to INT wrap. */

#define INT_LOOP(op, result, formula)                                                                        \
    static void NAME(op)(const void *a, const void *b, const void *c, void *out, size_t n)                   \
    {                                                                                                        \
        const INT *left = a, *right = b ? b : a;                                                             \
        result *z = out;                                                                                     \
        (void)c;                                                                                             \
        _Pragma("GCC ivdep") for (size_t i = 0; i < n; i++)                                                  \
        {                                                                                                    \
            INT x = left[i], y = right[i];                                                                   \
            (void)y;                                                                                         \
            z[i] = (result)(formula);                                                                        \
        }                                                                                                    \
    }

#define INT_SIGNED   ((INT)-1 < (INT)1)
#define INT_BITS     (8 * sizeof(INT))
#define INT_MINUS(v) ((INT)(0 - (WIDE)(v)))
#define INT_BY_MINUS (INT_SIGNED && y == (INT)-1) /* the lowest number divided by -1 overflows */

static inline INT NAME(rest)(INT x, INT y)
{
    return INT_BY_MINUS ? 0 : (INT)(x % y);
}

/* The remainder of a division that rounds toward minus infinity. */
static inline INT NAME(floor_rest)(INT x, INT y)
{
    INT rest = NAME(rest)(x, y);
    return rest != 0 && (rest < (INT)1) != (y < (INT)1) ? (INT)(rest + y) : rest;
}

/* For negative exponents the truncated power: 1 or -1 where x is 1 or -1, else 0. */
static inline INT NAME(power)(INT x, INT y)
{
    WIDE product = 1, factor = (WIDE)x;
    if (INT_SIGNED && y < (INT)1 && y != 0)
        return x == 1 || x == (INT)-1 ? (INT)(y & 1 ? x : 1) : 0;
    for (WIDE left = (WIDE)y; left; left >>= 1, factor *= factor)
        if (left & 1)
            product *= factor;
    return (INT)product;
}

INT_LOOP(same, INT, x)
INT_LOOP(neg, INT, INT_MINUS(x))
INT_LOOP(abs, INT, INT_SIGNED &&x < (INT)1 ? INT_MINUS(x) : x)
INT_LOOP(sign, INT, x == 0 ? 0 : INT_SIGNED && x < (INT)1 ? -1 : 1)
INT_LOOP(not, INT, ~(WIDE)x)
INT_LOOP(add, INT, (WIDE)x + (WIDE)y)
INT_LOOP(sub, INT, (WIDE)x - (WIDE)y)
INT_LOOP(mul, INT, (WIDE)x *(WIDE)y)
INT_LOOP(div, INT, INT_BY_MINUS ? INT_MINUS(x) : (INT)(x / y))
INT_LOOP(mod, INT, NAME(floor_rest)(x, y))
INT_LOOP(fmod, INT, NAME(rest)(x, y))
INT_LOOP(pow, INT, NAME(power)(x, y))
INT_LOOP(min, INT, x < y ? x : y)
INT_LOOP(max, INT, x > y ? x : y)
INT_LOOP(and, INT, x &y)
INT_LOOP(or, INT, x | y)
INT_LOOP(xor, INT, x ^ y)
INT_LOOP(shift_left, INT, (WIDE)y < INT_BITS ? (WIDE)x << ((WIDE)y % INT_BITS) : 0)
INT_LOOP(shift_right, INT, (WIDE)y < INT_BITS ? (WIDE)x >> ((WIDE)y % INT_BITS) : 0)
INT_LOOP(equal, uint8_t, x == y)
INT_LOOP(less, uint8_t, x < y)
INT_LOOP(less_equal, uint8_t, x <= y)

static void NAME(init)(chain_kernels *k, chain_type type)
{
#define INT_ENTRY(name, function) k->op[CHAIN_##name][type] = NAME(function);
    INT_ENTRY(neg, neg)
    INT_ENTRY(abs, abs)
    INT_ENTRY(sign, sign)
    INT_ENTRY(floor, same)
    INT_ENTRY(ceil, same)
    INT_ENTRY(round, same)
    INT_ENTRY(not, not )
    INT_ENTRY(add, add)
    INT_ENTRY(sub, sub)
    INT_ENTRY(mul, mul)
    INT_ENTRY(div, div)
    INT_ENTRY(mod, mod)
    INT_ENTRY(fmod, fmod)
    INT_ENTRY(pow, pow)
    INT_ENTRY(min, min)
    INT_ENTRY(max, max)
    INT_ENTRY(and, and)
    INT_ENTRY(or, or)
    INT_ENTRY(xor, xor)
    INT_ENTRY(equal, equal)
    INT_ENTRY(less, less)
    INT_ENTRY(less_equal, less_equal)
#undef INT_ENTRY
    k->op[CHAIN_shift_left][type] = INT_SIGNED ? NULL : NAME(shift_left);
    k->op[CHAIN_shift_right][type] = INT_SIGNED ? NULL : NAME(shift_right);
}

#undef INT_LOOP
#undef INT_SIGNED
#undef INT_BITS
#undef INT_MINUS
#undef INT_BY_MINUS
