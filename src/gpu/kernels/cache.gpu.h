/* Rows of heads one after another, y [batch, heads, room, d]: those of a cache up to where the sequence is, then the new
   ones, turned by the rotary embedding of their positions, then zeros. With CACHE_FRESH the new rows alone.

   Buffers: 0 x, 1 the cache, 2 y, all of one type; 3 what each sequence will have less 1, 4 what the longest will have,
   int32; 5 cosines, 6 sines, rows of `half_d`. */
#ifndef GPU_KERNELS_CACHE_H
#define GPU_KERNELS_CACHE_H

#define CACHE_ENDS        1u /* sequences differ: each is where its new rows end it, the first ones begin at 0 */
#define CACHE_FRESH       2u
#define CACHE_INTERLEAVED 4u /* pairs are neighbours, else elements i and i + half_d */

#define CACHE_ELEMENTS 4u
#define CACHE_THREADS  64u

#include "gpu/dialect/args.h"
/* x begins at `first` and has strides batch, head and row; the cache [batch, heads, past, d] begins at past_first, y at
   y_first. half_d: pairs that are turned; positions: rows of cosines. */
KERNEL_ARGS(cache, u32 type; u32 count; u32 heads; u32 steps; u32 room; u32 past; u32 d; u32 flags; u32 first;
            u32 batch; u32 head; u32 row; u32 past_first; u32 y_first; u32 half_d; u32 positions;)

#ifdef GPU_DIALECT
#define THREADS CACHE_THREADS

KERNEL(cache)
{
    EACH_THREAD
    {
        u32 begin = (GROUP * THREADS + thread) * CACHE_ELEMENTS, word = 0u;
        bool interleaved = (args.flags & CACHE_INTERLEAVED) != 0u;
        for (u32 e = begin; e < begin + CACHE_ELEMENTS && e < args.count; e++) {
            u32 own = e % args.d, r = e / args.d % args.room, heads = e / args.d / args.room;
            i32 at = I32(args.past), step = I32(r);
            if ((args.flags & CACHE_ENDS) != 0u)
                at = WORD(4, 0u) == args.steps ? 0 : I32(WORD(3, heads / args.heads)) + 1 - I32(args.steps);
            if ((args.flags & CACHE_FRESH) == 0u)
                step = step - at;
            f32 x = 0.0f;
            if (step < 0 && r < args.past)
                x = LOAD_F32(1, args.type, args.past_first + (heads * args.past + r) * args.d + own);
            if (step >= 0 && step < I32(args.steps)) {
                u32 from = args.first + heads / args.heads * args.batch + heads % args.heads * args.head +
                           U32(step) * args.row + own;
                x = LOAD_F32(0, args.type, from);
                if (own < 2u * args.half_d) {
                    bool second = interleaved ? own % 2u == 1u : own >= args.half_d;
                    u32 apart = interleaved ? 1u : args.half_d;
                    u32 pair = interleaved ? own / 2u : own - (second ? args.half_d : 0u);
                    u32 position = U32(at + step);
                    position = position < args.positions ? position : args.positions - 1u;
                    f32 cosine = LOAD_F32(5, args.type, position * args.half_d + pair);
                    f32 sine = LOAD_F32(6, args.type, position * args.half_d + pair);
                    f32 other = LOAD_F32(0, args.type, second ? from - apart : from + apart);
                    x = second ? sine * other + cosine * x : cosine * x - sine * other;
                }
            }
            PUT_F32(2, args.type, word, args.y_first + e, x);
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
