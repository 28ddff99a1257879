/* The arithmetic of the fixed-point kernel. With TILE_CHECKED every result that does not fit, and every
   shift by too much, calls tile_fault; without it these are plain operations. */
#ifndef TILE_TILE_MATH_H
#define TILE_TILE_MATH_H

#include <stdint.h>

#ifdef TILE_CHECKED
/* Defined by the program with the checked kernel; `where` names the operation. */
void tile_fault(const char *where);
#define TILE_CHECK(holds, where)                                                                             \
    do {                                                                                                     \
        if (!(holds))                                                                                        \
            tile_fault(where);                                                                               \
    } while (0)
#else
#define TILE_CHECK(holds, where) ((void)0)
#endif

static inline int32_t tile_fit32(int64_t x, const char *where)
{
    TILE_CHECK(x >= INT32_MIN && x <= INT32_MAX, where);
    (void)where;
    return (int32_t)x;
}

static inline int32_t tile_add(int32_t a, int32_t b)
{
#ifdef TILE_CHECKED
    return tile_fit32((int64_t)a + b, "add");
#else
    return a + b;
#endif
}

static inline int32_t tile_sub(int32_t a, int32_t b)
{
#ifdef TILE_CHECKED
    return tile_fit32((int64_t)a - b, "sub");
#else
    return a - b;
#endif
}

static inline int32_t tile_mul(int32_t a, int32_t b)
{
#ifdef TILE_CHECKED
    return tile_fit32((int64_t)a * b, "mul");
#else
    return a * b;
#endif
}

/* sum + a b */
static inline int32_t tile_mac(int32_t sum, int16_t a, int16_t b)
{
    return tile_add(sum, tile_mul(a, b));
}

/* floor(a / 2^bits) */
static inline int32_t tile_shr(int32_t a, int bits)
{
    TILE_CHECK(bits >= 0 && bits < 32, "shr");
    return a >> bits;
}

/* a / 2^bits to the nearest, halves up */
static inline int32_t tile_round(int32_t a, int bits)
{
    TILE_CHECK(bits >= 0 && bits < 31, "round");
    return tile_shr(tile_add(a, (int32_t)((UINT32_C(1) << bits) >> 1)), bits);
}

static inline int16_t tile_narrow(int32_t a)
{
    TILE_CHECK(a >= INT16_MIN && a <= INT16_MAX, "narrow");
    return (int16_t)a;
}

/* floor(a c) for c in Q31 */
static inline int32_t tile_mul_q31(int32_t a, int32_t c)
{
    return tile_fit32((int64_t)a * c >> 31, "mul_q31");
}

/* floor(a c + b d) for c and d in Q31; |a|, |b| < 2^31, so the sum of products fits */
static inline int32_t tile_dot_q31(int32_t a, int32_t c, int32_t b, int32_t d)
{
    const int64_t first = (int64_t)a * c, second = (int64_t)b * d;
#ifdef TILE_CHECKED
    int64_t sum;
    TILE_CHECK(!__builtin_add_overflow(first, second, &sum), "dot_q31");
#endif
    return tile_fit32((first + second) >> 31, "dot_q31");
}

static inline uint32_t tile_magnitude(int32_t a)
{
    TILE_CHECK(a != INT32_MIN, "magnitude");
    return a < 0 ? 0 - (uint32_t)a : (uint32_t)a;
}

/* Bits that x takes: floor(log2(x)) + 1, 0 for 0. */
static inline int tile_bits32(uint32_t x)
{
    int n = 0;
    for (int step = 16; step > 0; step >>= 1)
        if (x >> step) {
            x >>= step;
            n += step;
        }
    return n + (x != 0);
}

/* sum + p w, exact below 2^53 */
static inline uint64_t tile_weigh(uint64_t sum, uint64_t p, uint16_t w)
{
    TILE_CHECK(p < UINT64_C(1) << 42 && sum + p * w < UINT64_C(1) << 53, "weigh");
    return sum + p * w;
}

#endif
