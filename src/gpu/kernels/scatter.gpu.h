/* Updates put into the result, which is a copy of the data. Those that may meet in one element are a line of n, which
   one thread takes in order; it has `each` neighbouring lines, so that no two threads share a word. Line l of
   `lines` is at index (i_0, i_1, ...) of dims, and update j of it is number sum of update_step_a i_a + j
   update_apart; its coordinates are `depth` neighbouring indices, the first of which is number sum of index_step_a i_a +
   j index_apart. Its place in the result is the sum of step_a i_a and of stride_k times coordinate k, which counts
   from the end of its axis where it is negative.

   Buffers: 0 the program, 1 the updates, 2 the result, 3 the indices, integers of 32 or 64 bits, whose low words
   are read.
   The program: SCATTER_RANK times dim, step, index step and update step, from SCATTER_AXES on SCATTER_RANK times size
   and stride. */
#ifndef GPU_KERNELS_SCATTER_H
#define GPU_KERNELS_SCATTER_H

#define SCATTER_RANK    8u
#define SCATTER_AXES    32u
#define SCATTER_WORDS   48u
#define SCATTER_THREADS 64u

#define SCATTER_PUT 4u /* of `op`, beside those of pair.h */

#include "gpu/dialect/args.h"
#include "gpu/kernels/pair.h"
/* shift, wide, index_words: as those of `gather`. type: where updates are combined */
KERNEL_ARGS(scatter, u32 op; u32 type; u32 shift; u32 wide; u32 lines; u32 each; u32 n; u32 rank; u32 depth;
            u32 index_apart; u32 update_apart; u32 index_words;)

#ifdef GPU_DIALECT
#define THREADS SCATTER_THREADS

KERNEL(scatter)
{
    EACH_THREAD
    {
        u32 first = (GROUP * THREADS + thread) * args.each;
        u32 last = (1u << args.shift) - 1u, bits = 32u >> args.shift, mask = 0xffffffffu >> (32u - bits);
        for (u32 line = first; line < first + args.each && line < args.lines; line++) {
            u32 rest = line, start = 0u, at = 0u, from = 0u;
            for (u32 d = args.rank; d > 0u; d--) {
                u32 axis = 4u * (d - 1u), size = WORD(0, axis), i = rest % size;
                start = start + i * WORD(0, axis + 1u);
                at = at + i * WORD(0, axis + 2u);
                from = from + i * WORD(0, axis + 3u);
                rest = rest / size;
            }
            for (u32 j = 0u; j < args.n; j++) {
                u32 to = start;
                for (u32 k = 0u; k < args.depth; k++) {
                    u32 axis = SCATTER_AXES + 2u * k, index = WORD(3, (at + k) * args.index_words);
                    to = to + (index + (I32(index) < 0 ? WORD(0, axis) : 0u)) * WORD(0, axis + 1u);
                }
                if (args.shift == 0u && args.op == SCATTER_PUT) {
                    for (u32 k = 0u; k < args.wide; k++)
                        SET_WORD(2, to * args.wide + k, WORD(1, from * args.wide + k));
                } else {
                    u32 value = (WORD(1, from >> args.shift) >> (bits * (from & last))) & mask;
                    u32 place = bits * (to & last), word = WORD(2, to >> args.shift);
                    if (args.op != SCATTER_PUT)
                        value = encode(args.type,
                                       pair(args.op, args.type, decode(args.type, word, to),
                                            decode(args.type, value, 0u)),
                                       0u);
                    SET_WORD(2, to >> args.shift,
                             (word & ((mask << place) ^ 0xffffffffu)) | (value << place));
                }
                at = at + args.index_apart;
                from = from + args.update_apart;
            }
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
