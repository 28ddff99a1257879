/* Products a b, of float32 or of integers: a group makes TILE_SIDE x TILE_SIDE sums, of TILE_DEEP columns of a and rows of
   b at a time, which the group shares; while it multiplies them, its threads fetch the next. Sums are of two levels: each
   stretch of TILE_DEEP has its own. */
#ifndef GPU_KERNELS_TILE_H
#define GPU_KERNELS_TILE_H

#define TILE_SIDE    64u
#define TILE_DEEP    16u
#define TILE_THREADS 256u

#ifdef GPU_DIALECT
#undef GROUPS_AT_ONCE
#define GROUPS_AT_ONCE 2
#include "gpu/dialect/product.h"

/* Blocks of sums of 32 threads. */
#define TILE_HIGH 2u
#define TILE_WIDE 2u
#define TILE_SUMS (4u * TILE_HIGH * TILE_WIDE)

/* A thread fetches TILE_RUNS runs of 4 elements of either operand. */
#define TILE_RUNS (TILE_SIDE * TILE_DEEP / 4u / TILE_THREADS)

/* What the group shares, bits of float32 or integers: two stretches each of a [row][k] and of b [k][column], and then sums. */
#define TILE_A_PITCH 24u
#define TILE_B_PITCH 68u
#define TILE_A_SIZE  (TILE_SIDE * TILE_A_PITCH)
#define TILE_B_SIZE  (TILE_DEEP * TILE_B_PITCH)
SHARED(u32, tile, 2u * (TILE_A_SIZE + TILE_B_SIZE))
SHARED(u32, tile_again, 1) /* whether a sum is not finite */

/* Where the sums of the thread's neighbours begin, and its own sum i. */
#define TILE_TOP       (thread / 32u / (TILE_SIDE / 8u / TILE_WIDE) * 16u * TILE_HIGH)
#define TILE_LEFT      (thread / 32u % (TILE_SIDE / 8u / TILE_WIDE) * 8u * TILE_WIDE)
#define TILE_ROW(i)    (TILE_TOP + BLOCK_ROW(i, TILE_WIDE))
#define TILE_COLUMN(i) (TILE_LEFT + BLOCK_COLUMN(i, TILE_WIDE))

/* Elements of stretch `stage`, 0 or 1. */
#define TILE_A_AT(row, k)       (stage * TILE_A_SIZE + (row)*TILE_A_PITCH + (k))
#define TILE_B_AT(k, column)    (2u * TILE_A_SIZE + stage * TILE_B_SIZE + (k)*TILE_B_PITCH + (column))
#define TILE_WHOLE_A(row, k)    SHARED_GET(tile, TILE_A_AT(TILE_TOP + (row), k))
#define TILE_WHOLE_B(k, column) SHARED_GET(tile, TILE_B_AT(k, TILE_LEFT + (column)))
#define TILE_A(row, k)          bits_to_f32(TILE_WHOLE_A(row, k))
#define TILE_B(k, column)       bits_to_f32(TILE_WHOLE_B(k, column))

/* A kernel multiplies `while (again)`, between these two: a second time without tensor cores (plain) where a sum is not
   finite, which is then what its products make it. */
#define TILE_BEGIN(sums)                                                                                     \
    EACH_THREAD                                                                                              \
    {                                                                                                        \
        UNROLL for (u32 i = 0u; i < TILE_SUMS; i++) MINE(sums, i) = 0u;                                      \
        if (thread == 0u)                                                                                    \
            SHARED_SET(tile_again, 0, 0u);                                                                   \
    }                                                                                                        \
    BARRIER;
#define TILE_END(sums)                                                                                       \
    EACH_THREAD                                                                                              \
    {                                                                                                        \
        bool finite = true;                                                                                  \
        UNROLL for (u32 i = 0u; i < TILE_SUMS; i++) finite =                                                 \
            finite && is_finite(bits_to_f32(MINE(sums, i)));                                                 \
        if (!finite && !plain)                                                                               \
            SHARED_OR(tile_again, 0, 1u);                                                                    \
    }                                                                                                        \
    BARRIER;                                                                                                 \
    EACH_THREAD                                                                                              \
    {                                                                                                        \
        again = SHARED_GET(tile_again, 0) != 0u; /* as each thread finds */                                  \
    }                                                                                                        \
    BARRIER;                                                                                                 \
    plain = true;

/* The group's sums, once they are shared. */
#define TILE_PITCH     68u
#define TILE_SUM(y, x) SHARED_GET(tile, (y)*TILE_PITCH + (x))
#define TILE_SHARE(sums)                                                                                     \
    EACH_THREAD                                                                                              \
    {                                                                                                        \
        UNROLL for (u32 i = 0u; i < TILE_SUMS; i++)                                                          \
            SHARED_SET(tile, TILE_ROW(i) * TILE_PITCH + TILE_COLUMN(i), MINE(sums, i));                      \
    }                                                                                                        \
    BARRIER;

/* Adds the products of stretch `stage` to the thread's sums: floats, or integers modulo 2^32. */
#define TILE_ADD(sums, exact_a, exact_b)                                                                     \
    {                                                                                                        \
        f32 part[TILE_SUMS];                                                                                 \
        if (plain) {                                                                                         \
            PLAIN_PRODUCT(F32, part, TILE_HIGH, TILE_WIDE, TILE_DEEP, TILE_A, TILE_B, MADD)                  \
        } else {                                                                                             \
            BLOCK_PRODUCT(part, TILE_HIGH, TILE_WIDE, TILE_DEEP, TILE_A, TILE_B, exact_a, exact_b)           \
        }                                                                                                    \
        UNROLL for (u32 i = 0u; i < TILE_SUMS; i++) MINE(sums, i) =                                          \
            f32_to_bits(bits_to_f32(MINE(sums, i)) + part[i]);                                               \
    }
#define TILE_WHOLE_SUM(a, b, sum) ((a) * (b) + (sum))
#define TILE_ADD_WHOLE(sums)                                                                                 \
    {                                                                                                        \
        u32 part[TILE_SUMS];                                                                                 \
        PLAIN_PRODUCT(U32, part, TILE_HIGH, TILE_WIDE, TILE_DEEP, TILE_WHOLE_A, TILE_WHOLE_B,                \
                      TILE_WHOLE_SUM)                                                                        \
        UNROLL for (u32 i = 0u; i < TILE_SUMS; i++) MINE(sums, i) = MINE(sums, i) + part[i];                 \
    }

/* How many of the 4 elements from `at` on are below `end`. */
FN u32 run_within(u32 at, u32 end)
{
    return at >= end ? 0u : end - at < 4u ? end - at : 4u;
}

/* Where the thread's run i of a is in the tile. */
#define TILE_A_PLACE(i)                                                                                      \
    u32 ay = (thread + (i)*THREADS) / (TILE_DEEP / 4u), ak = (thread + (i)*THREADS) % (TILE_DEEP / 4u) * 4u;
/* And how many of its elements exist, of m rows of `deep` and the tile at `row` and `from`. */
#define TILE_A_RUN(i, m, deep)                                                                               \
    TILE_A_PLACE(i)                                                                                          \
    u32 an = row + ay < (m) ? run_within(from + ak, deep) : 0u;

/* The words of the 4 elements of a run, `step` apart from element i on, of which n exist. */
#define RUN_FETCH(to, buffer, shift, i, step, n)                                                             \
    if ((n) == 4u && (step) == 1u && (shift) == 0u && ((i)&3u) == 0u) {                                      \
        LOAD_4(to, 0u, buffer, i)                                                                            \
    } else if ((n) == 4u && (step) == 1u && (shift) == 1u && ((i)&1u) == 0u) {                               \
        to[0] = to[1] = WORD(buffer, (i) >> 1u);                                                             \
        to[2] = to[3] = WORD(buffer, ((i) >> 1u) + 1u);                                                      \
    } else {                                                                                                 \
        UNROLL for (u32 e = 0u; e < 4u; e++) to[e] =                                                         \
            e < (n) ? WORD(buffer, ((i) + e * (step)) >> (shift)) : 0u;                                      \
    }
#endif
#endif
