/* y of `attention` from parts of its keys, [batch, key head, row, part]: each is scaled to the largest score of all.

   Buffers: 0 the parts, 1 y. A thread makes two elements. */
#ifndef GPU_KERNELS_ATTENTION_MERGE_H
#define GPU_KERNELS_ATTENTION_MERGE_H

#define ATTENTION_MERGE_ELEMENTS 2u
#define ATTENTION_MERGE_THREADS  64u

#include "gpu/dialect/args.h"
#include "gpu/kernels/attention_parts.h"
/* empty: 1 where a row whose keys are all hidden is 0, else it is NaN. The others are as of `attention`. */
KERNEL_ARGS(attention_merge, u32 type; u32 count; u32 heads; u32 queries; u32 kv_heads; u32 dv; u32 parts;
            u32 empty; u32 y_batch; u32 y_head; u32 y_row;)

#ifdef GPU_DIALECT
#define THREADS ATTENTION_MERGE_THREADS

#define ATTENTION_PART_F32(i, at)                                                                            \
    bits_to_f32(WORD(0, (row * args.parts + (i)) * (ATTENTION_PART_V + args.dv) + (at)))

KERNEL(attention_merge)
{
    EACH_THREAD
    {
        u32 begin = (GROUP * THREADS + thread) * ATTENTION_MERGE_ELEMENTS, word = 0u;
        for (u32 e = begin; e < begin + ATTENTION_MERGE_ELEMENTS && e < args.count; e++) {
            u32 column = e % args.dv, row = e / args.dv, query = row % args.queries;
            u32 head = row / args.queries % (args.kv_heads * args.heads),
                batch = row / args.queries / (args.kv_heads * args.heads);
            f32 largest = LOWEST, shown = 0.0f, total = 0.0f, sum = 0.0f;
            for (u32 i = 0u; i < args.parts; i++) {
                f32 other = ATTENTION_PART_F32(i, ATTENTION_PART_LARGEST);
                largest = other > largest ? other : largest;
                shown = shown + ATTENTION_PART_F32(i, ATTENTION_PART_SHOWN);
            }
            for (u32 i = 0u; i < args.parts; i++) {
                f32 factor = exp_f32(ATTENTION_PART_F32(i, ATTENTION_PART_LARGEST) - largest);
                total = MADD(ATTENTION_PART_F32(i, ATTENTION_PART_SUM), factor, total);
                sum = MADD(ATTENTION_PART_F32(i, ATTENTION_PART_V + column), factor, sum);
            }
            f32 v = shown == 0.0f && args.empty != 0u ? 0.0f : sum / total;
            PUT_F32(1, args.type, word,
                    batch * args.y_batch + head * args.y_head + query * args.y_row + column, v);
        }
    }
    BARRIER;
}

#undef ATTENTION_PART_F32
#undef THREADS
#endif
#endif
