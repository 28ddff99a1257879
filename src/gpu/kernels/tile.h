/* Products a b in float32 whose sums stay in registers: a group makes TILE_SIDE x TILE_SIDE of them, each
   thread TILE_OWN x TILE_OWN, of TILE_DEEP columns of a and rows of b at a time, which the group shares. */
#ifndef GPU_KERNELS_TILE_H
#define GPU_KERNELS_TILE_H

#define TILE_SIDE    32u
#define TILE_OWN     4u
#define TILE_DEEP    16u
#define TILE_THREADS 64u

#ifdef GPU_DIALECT
SHARED(f32, tile_a, TILE_SIDE *TILE_DEEP) /* column by column */
SHARED(f32, tile_b, TILE_SIDE *TILE_DEEP) /* row by row */

/* The thread's first row and column of the tile. */
#define TILE_Y (thread / (TILE_SIDE / TILE_OWN) * TILE_OWN)
#define TILE_X (thread % (TILE_SIDE / TILE_OWN) * TILE_OWN)

/* Adds what is shared to the thread's sums. */
#define TILE_PRODUCT(sums)                                                                                   \
    for (u32 k = 0u; k < TILE_DEEP; k++)                                                                     \
        for (u32 i = 0u; i < TILE_OWN * TILE_OWN; i++)                                                       \
    MINE(sums, i) = MADD(SHARED_GET(tile_a, k * TILE_SIDE + TILE_Y + i / TILE_OWN),                          \
                         SHARED_GET(tile_b, k * TILE_SIDE + TILE_X + i % TILE_OWN), MINE(sums, i))
#endif
#endif
