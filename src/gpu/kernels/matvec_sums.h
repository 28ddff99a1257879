/* Products of few rows, which are as fast as their weights are read: what the kernels `matvec*` share.

   A group makes a few columns of the result. Its threads are `units`, each of WIDTH neighbouring columns, times `lanes`,
   which share k; each thread has sums of its own for up to GROUP_ROWS rows, WIDTH for a row. The lanes' sums are added
   in two steps, in an order that the dims alone decide. So a sum is of short sums, and about as exact as one by halves.

   Buffers: 0 a, 1 b, 2 out; 3 scales and 4 zero points of b; 5 C, all but b in elements. What
   follows: finish.h. */
#ifndef GPU_KERNELS_MATVEC_SUMS_H
#define GPU_KERNELS_MATVEC_SUMS_H

#include "gpu/kernels/finish.h"

/* Rows of a group; fewer where weights are of few bits, since there unpacking takes the time and not memory. */
#define MATVEC_ROWS      8u
#define MATVEC_BITS_ROWS 4u
#define MATVEC_THREADS   128u
/* Max units of a group, and min lanes. */
#define MATVEC_UNITS 8u
#define MATVEC_LANES (MATVEC_THREADS / MATVEC_UNITS)

/* Columns of a unit where neighbours of b are along k. */
#define MATVEC_T_WIDTH 4u

#define MATVEC_C         1u /* beta C is added */
#define MATVEC_ZERO      2u /* weights of few bits have zero points, packed like them */
#define MATVEC_REAL_ZERO 4u /* which are floats of the scales' type */

/* Batch z is batch (z / inner, z % inner). b_row: words between rows of b as it lies in memory, b_outer and
   b_inner too; words: of b that a thread reads at once, 1 or 4, to multiples of which all of these are. C has c_row elements
   between rows and c_column between columns. Of few bits, b is packed in rows of `blocks` blocks, each with a scale,
   and zero_row bytes of zero points. */
#define MATVEC_ARGS                                                                                          \
    u32 type;                                                                                                \
    u32 m;                                                                                                   \
    u32 n;                                                                                                   \
    u32 k;                                                                                                   \
    u32 inner;                                                                                               \
    u32 a_outer;                                                                                             \
    u32 a_inner;                                                                                             \
    u32 a_row;                                                                                               \
    u32 a_column;                                                                                            \
    u32 b_outer;                                                                                             \
    u32 b_inner;                                                                                             \
    u32 b_row;                                                                                               \
    u32 a_type;                                                                                              \
    u32 b_type;                                                                                              \
    u32 words;                                                                                               \
    u32 units;                                                                                               \
    u32 flags;                                                                                               \
    u32 c_row;                                                                                               \
    u32 c_column;                                                                                            \
    u32 bits;                                                                                                \
    u32 block;                                                                                               \
    u32 blocks;                                                                                              \
    u32 zero_row;                                                                                            \
    f32 alpha;                                                                                               \
    f32 beta;                                                                                                \
    u32 finish;

#ifdef GPU_DIALECT
#undef GROUPS_AT_ONCE
#define GROUPS_AT_ONCE 4
/* Sums of each thread that are added at a time: the group adds each by MATVEC_UNITS threads or more. */
#define MATVEC_AT_ONCE 16u
#define MATVEC_SUMS    (GROUP_ROWS * WIDTH)
/* The group's first row, and its row r; one after the last has the first row's place, and is not written. */
#define FIRST_ROW     (GROUP_Y * GROUP_ROWS)
#define MATVEC_ROW(r) (FIRST_ROW + (r) < args.m ? FIRST_ROW + (r) : 0u)

/* Without a step, threads that read at once would meet in one bank. */
#define MATVEC_AT(sum, t) ((sum)*136u + (t) + (t) / 16u)
SHARED(f32, matvec_all, MATVEC_AT_ONCE * 136u)
SHARED(f32, matvec_parts, MATVEC_THREADS)

/* Adds beta C to `sum`, element (row, column) of alpha times the product. */
#define MATVEC_ADD_C(sum, row, column)                                                                       \
    if ((args.flags & MATVEC_C) != 0u)                                                                       \
    sum = sum + args.beta * LOAD_F32(5, args.type, (row)*args.c_row + (column)*args.c_column)
#endif
#endif
