/* Elements moved as bits: transpose, expand, slice, pad, windows, and the pieces of a concat. Element e of
   `count` is at index (i_0, i_1, ...) of dims; its place along source axis s is start_s + sum of step_a i_a
   over the axes a that lead to s. Where a place is out of the source, the element is the fill.

   Buffers: 0 the program, 1 the source, 2 the result, 3 the fill, one element.
   The program: LAYOUT_RANK times dim, step and source axis, from LAYOUT_SOURCE on LAYOUT_RANK times size,
   stride and start. */
#ifndef GPU_KERNELS_LAYOUT_H
#define GPU_KERNELS_LAYOUT_H

#define LAYOUT_RANK     8u
#define LAYOUT_SOURCE   24u
#define LAYOUT_WORDS    48u
#define LAYOUT_ELEMENTS 4u
#define LAYOUT_THREADS  64u

#include "gpu/dialect/args.h"
/* shift: elements per word as a power of two; wide: words per element where that is 1. Element e goes to
   base + e / row * pitch + e % row of the result; base, row and pitch are multiples of an item of a word. */
/* fours: the source's elements come one after another, and count, base, row and pitch are in fours of words. */
KERNEL_ARGS(layout, u32 count; u32 shift; u32 wide; u32 rank; u32 source_rank; u32 base; u32 row; u32 pitch;
            u32 fours;)

#ifdef GPU_DIALECT
#define THREADS LAYOUT_THREADS

KERNEL(layout)
{
    EACH_THREAD
    {
        i32 place[LAYOUT_RANK];
        u32 first = (GROUP * THREADS + thread) * LAYOUT_ELEMENTS, word = 0u;
        u32 last = (1u << args.shift) - 1u, bits = 32u >> args.shift, mask = 0xffffffffu >> (32u - bits);
        if (args.fours != 0u) {
            UNROLL
            for (u32 i = 0u; i < LAYOUT_ELEMENTS; i++) {
                u32 e = (GROUP * LAYOUT_ELEMENTS + i) * THREADS + thread, words[4];
                if (e < args.count) {
                    u32 to = args.base + e / args.row * args.pitch + e % args.row;
                    LOAD_4(words, 0u, 1, 4u * e);
                    STORE_4(2, 4u * to, words, 0u);
                }
            }
            first = args.count;
        }
        for (u32 e = first; e < first + LAYOUT_ELEMENTS && e < args.count; e++) {
            u32 rest = e, from = 0u, to = args.base + e / args.row * args.pitch + e % args.row;
            bool inside = true;
            for (u32 s = 0u; s < args.source_rank; s++)
                place[s] = I32(WORD(0, LAYOUT_SOURCE + 3u * s + 2u));
            for (u32 d = args.rank; d > 0u; d--) {
                u32 at = 3u * (d - 1u), size = WORD(0, at), axis = WORD(0, at + 2u);
                place[axis] = place[axis] + I32(rest % size) * I32(WORD(0, at + 1u));
                rest = rest / size;
            }
            for (u32 s = 0u; s < args.source_rank; s++) {
                u32 at = LAYOUT_SOURCE + 3u * s;
                inside = inside && place[s] >= 0 && place[s] < I32(WORD(0, at));
                from = from + U32(place[s]) * WORD(0, at + 1u);
            }
            for (u32 k = 0u; args.shift == 0u && k < args.wide; k++)
                SET_WORD(2, to * args.wide + k, inside ? WORD(1, from * args.wide + k) : WORD(3, k));
            if (args.shift != 0u) {
                u32 value = inside ? WORD(1, from >> args.shift) >> (bits * (from & last)) : WORD(3, 0u);
                word = ((value & mask) << (bits * (to & last))) | ((to & last) == 0u ? 0u : word);
                if ((to & last) == last || e + 1u == args.count)
                    SET_WORD(2, to >> args.shift, word);
            }
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
