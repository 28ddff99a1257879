/* Elements by index, moved as bits. Element e of `count` is at index (i_0, i_1, ...) of dims. Its coordinates
   are `depth` neighbouring indices, the first of which is number sum of index_step_a i_a; its place in the source is
   the sum of step_a i_a and of stride_k times coordinate k, which counts from the end of its axis where it is negative.

   Buffers: 0 the program, 1 the source, 2 the result, 3 the indices, integers of 32 or 64 bits, whose low words
   are read.
   The program: GATHER_RANK times dim, step and index step, from GATHER_AXES on GATHER_RANK times size and stride. */
#ifndef GPU_KERNELS_GATHER_H
#define GPU_KERNELS_GATHER_H

#define GATHER_RANK     8u
#define GATHER_AXES     24u
#define GATHER_WORDS    40u
#define GATHER_ELEMENTS 4u
#define GATHER_THREADS  64u

#include "gpu/dialect/args.h"
/* shift: elements per word as a power of two; wide: words per element where that is 1; index_words: words of an
   index. */
KERNEL_ARGS(gather, u32 count; u32 shift; u32 wide; u32 rank; u32 depth; u32 index_words;)

#ifdef GPU_DIALECT
#define THREADS GATHER_THREADS

KERNEL(gather)
{
    EACH_THREAD
    {
        u32 first = (GROUP * THREADS + thread) * GATHER_ELEMENTS, word = 0u;
        u32 last = (1u << args.shift) - 1u, bits = 32u >> args.shift, mask = 0xffffffffu >> (32u - bits);
        for (u32 e = first; e < first + GATHER_ELEMENTS && e < args.count; e++) {
            u32 rest = e, from = 0u, at = 0u;
            for (u32 d = args.rank; d > 0u; d--) {
                u32 axis = 3u * (d - 1u), size = WORD(0, axis), i = rest % size;
                from = from + i * WORD(0, axis + 1u);
                at = at + i * WORD(0, axis + 2u);
                rest = rest / size;
            }
            for (u32 k = 0u; k < args.depth; k++) {
                u32 axis = GATHER_AXES + 2u * k, index = WORD(3, (at + k) * args.index_words);
                from = from + (index + (I32(index) < 0 ? WORD(0, axis) : 0u)) * WORD(0, axis + 1u);
            }
            for (u32 k = 0u; args.shift == 0u && k < args.wide; k++)
                SET_WORD(2, e * args.wide + k, WORD(1, from * args.wide + k));
            if (args.shift != 0u) {
                u32 value = WORD(1, from >> args.shift) >> (bits * (from & last));
                word = ((value & mask) << (bits * (e & last))) | ((e & last) == 0u ? 0u : word);
                if ((e & last) == last || e + 1u == args.count)
                    SET_WORD(2, e >> args.shift, word);
            }
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
