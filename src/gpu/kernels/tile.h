/* Products a b, of float32 or of integers, whose sums stay in registers: a group makes TILE_SIDE x TILE_SIDE of them, each
   thread TILE_OWN x TILE_OWN, of TILE_DEEP columns of a and rows of b at a time, which the group shares. */
#ifndef GPU_KERNELS_TILE_H
#define GPU_KERNELS_TILE_H

#define TILE_SIDE    32u
#define TILE_OWN     4u
#define TILE_DEEP    16u
#define TILE_THREADS 64u

#ifdef GPU_DIALECT
/* bits of float32, or integers */
SHARED(u32, tile_a, TILE_SIDE *TILE_DEEP) /* column by column */
SHARED(u32, tile_b, TILE_SIDE *TILE_DEEP) /* row by row */

/* The thread's first row and column of the tile. */
#define TILE_Y (thread / (TILE_SIDE / TILE_OWN) * TILE_OWN)
#define TILE_X (thread % (TILE_SIDE / TILE_OWN) * TILE_OWN)

/* The operands of the thread's sum i, of column k of a. */
#define TILE_A(k, i) SHARED_GET(tile_a, (k)*TILE_SIDE + TILE_Y + (i) / TILE_OWN)
#define TILE_B(k, i) SHARED_GET(tile_b, (k)*TILE_SIDE + TILE_X + (i) % TILE_OWN)

/* Adds what is shared to the thread's sums, which are of the same kind: floats, or integers modulo 2^32. */
#define TILE_PRODUCT(sums)                                                                                   \
    for (u32 k = 0u; k < TILE_DEEP; k++)                                                                     \
        for (u32 i = 0u; i < TILE_OWN * TILE_OWN; i++)                                                       \
    MINE(sums, i) =                                                                                          \
        f32_to_bits(MADD(bits_to_f32(TILE_A(k, i)), bits_to_f32(TILE_B(k, i)), bits_to_f32(MINE(sums, i))))
#define TILE_WHOLE_PRODUCT(sums)                                                                             \
    for (u32 k = 0u; k < TILE_DEEP; k++)                                                                     \
        for (u32 i = 0u; i < TILE_OWN * TILE_OWN; i++)                                                       \
    MINE(sums, i) = MINE(sums, i) + TILE_A(k, i) * TILE_B(k, i)
#endif
#endif
