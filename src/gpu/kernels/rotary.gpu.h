/* Rotary position embeddings: of each head of `d` elements the first 2 half in pairs, each rotated by the angle of its
   position; the rest is copied. A pair is two neighbours, or elements i and i + half.

   Buffers: 0 x, 1 cosines, 2 sines, rows of `half`, 3 y, all of one type; 4 the row of each step, integers of 64 bits,
   whose low words are read. */
#ifndef GPU_KERNELS_ROTARY_H
#define GPU_KERNELS_ROTARY_H

#define ROTARY_ELEMENTS 4u
#define ROTARY_THREADS  64u

#include "gpu/dialect/args.h"
/* x is [batch, heads, steps, d], or packed [batch, steps, heads, d]. positions: 0 where rows are in the order of
   [batch, steps]. */
KERNEL_ARGS(rotary, u32 type; u32 count; u32 d; u32 half_d; u32 heads; u32 steps; u32 packed_heads;
            u32 interleaved; u32 positions;)

#ifdef GPU_DIALECT
#define THREADS ROTARY_THREADS

KERNEL(rotary)
{
    EACH_THREAD
    {
        u32 first = (GROUP * THREADS + thread) * ROTARY_ELEMENTS, word = 0u;
        for (u32 e = first; e < first + ROTARY_ELEMENTS && e < args.count; e++) {
            u32 own = e % args.d, head = e / args.d, step = head / args.heads;
            if (args.packed_heads == 0u)
                step = head / (args.heads * args.steps) * args.steps + head % args.steps;
            bool second = args.interleaved != 0u ? own % 2u == 1u : own >= args.half_d;
            u32 apart = args.interleaved != 0u ? 1u : args.half_d;
            u32 pair = args.interleaved != 0u ? own / 2u : own - (second ? args.half_d : 0u);
            f32 x = LOAD_F32(0, args.type, e);
            if (own < 2u * args.half_d) {
                u32 row = args.positions != 0u ? WORD(4, 2u * step) : step;
                f32 cosine = LOAD_F32(1, args.type, row * args.half_d + pair);
                f32 sine = LOAD_F32(2, args.type, row * args.half_d + pair);
                f32 other = LOAD_F32(0, args.type, second ? e - apart : e + apart);
                x = second ? sine * other + cosine * x : cosine * x - sine * other;
            }
            PUT_F32(3, args.type, word, e, x);
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
