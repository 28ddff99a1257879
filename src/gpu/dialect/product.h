/* Products of tiles that a group shares, whose sums stay in registers. 32 threads that follow one another make blocks of
   16 x 8 sums, [high][wide] of them, each thread 4 of a block. Who has which is as NVIDIA's instruction
   mma.m16n8k8 has it, so that CUDA's dialect can use it where there is one (cuda.h); elsewhere the owner of a sum
   computes it in a loop. */
#ifndef GPU_DIALECT_PRODUCT_H
#define GPU_DIALECT_PRODUCT_H

#define LANE (thread % 32u)

/* Where the thread's sum i is. */
#define BLOCK_ROW(i, wide)    ((i) / (4u * (wide)) * 16u + LANE / 4u + (i) % 4u / 2u * 8u)
#define BLOCK_COLUMN(i, wide) ((i) / 4u % (wide)*8u + LANE % 4u * 2u + (i) % 2u)

/* What the thread hands to the instruction for 8 of k: of a block of a elements i < 4, of b i < 2, and their places
   along k. The instruction's own order of k is another, the same of both: then a's are neighbours in memory. */
#define FRAGMENT_ROW(i) (LANE / 4u + (i) % 2u * 8u)
#define FRAGMENT_A_K(i) (LANE % 4u * 2u + (i) / 2u)
#define FRAGMENT_COLUMN (LANE / 4u)
#define FRAGMENT_B_K(i) (LANE % 4u * 2u + (i))

/* part[i] = the sum over k < deep of A(row, k) B(k, column), for each of the thread's sums; ADD(a, b, sum) adds a product. */
#define PLAIN_PRODUCT(type, part, high, wide, deep, A, B, ADD)                                               \
    UNROLL for (u32 i = 0u; i < 4u * (high) * (wide); i++) part[i] = type(0);                                \
    ROLLED for (u32 k = 0u; k < (deep); k++) UNROLL for (u32 i = 0u; i < 4u * (high) * (wide); i++)          \
        part[i] = ADD(A(BLOCK_ROW(i, wide), k), B(k, BLOCK_COLUMN(i, wide)), part[i]);

/* The same of floats in `f32 part[4 * high * wide]`, of deep % 8 == 0, by all 32 threads together. exact_a, exact_b: all
   of its elements have at most 11 significant bits, as 16-bit floats. Operands that are not finite, or nearly so, may make
   NaN of a sum that is none: then PLAIN_PRODUCT says what it is.

   A and B are macros that read shared memory. No two threads meet in a bank where, of arrays [row of a][k] and
   [column of b][k], rows are 8 more than a multiple of 16 words apart, and of [k][column] 4 more. */
#ifndef BLOCK_PRODUCT
#define BLOCK_PRODUCT(part, high, wide, deep, A, B, exact_a, exact_b)                                        \
    PLAIN_PRODUCT(F32, part, high, wide, deep, A, B, MADD)
#endif

#endif
