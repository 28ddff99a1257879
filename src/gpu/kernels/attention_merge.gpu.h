/* y of `attention` from parts of its keys, [batch, key head, row, part]: each is scaled to the largest score of all. A
   group makes ATTENTION_MERGE_WORDS words of a row of y: threads share the parts, and then their sums.

   Buffers: 0 the parts, 1 y. */
#ifndef GPU_KERNELS_ATTENTION_MERGE_H
#define GPU_KERNELS_ATTENTION_MERGE_H

#define ATTENTION_MERGE_WORDS 32u

#include "gpu/dialect/args.h"
#include "gpu/kernels/attention_parts.h"
/* rows: of all batches and heads; empty: 1 where a row whose keys are all hidden is 0, else it is NaN. The others are as
   of `attention`. */
KERNEL_ARGS(attention_merge, u32 type; u32 rows; u32 heads; u32 queries; u32 kv_heads; u32 dv; u32 parts;
            u32 empty; u32 y_batch; u32 y_head; u32 y_row;)

#ifdef GPU_DIALECT
#define THREADS 128u
#define SLICES  (THREADS / ATTENTION_MERGE_WORDS)

SHARED(f32, merge_largest, THREADS)
SHARED(f32, merge_shown, THREADS)
SHARED(f32, merge_total, THREADS)
SHARED(f32, merge_sum, THREADS * 2)

#define ATTENTION_PART_F32(i, at)                                                                            \
    bits_to_f32(WORD(0, (row * args.parts + (i)) * (ATTENTION_PART_V + args.dv) + (at)))

KERNEL(attention_merge)
{
    u32 shift = type_shift(args.type), across = (args.dv >> shift) + ATTENTION_MERGE_WORDS - 1u;
    across = across / ATTENTION_MERGE_WORDS; /* groups of a row */
    u32 row = GROUP / across, begin = GROUP % across * ATTENTION_MERGE_WORDS;
    u32 parts = row < args.rows ? args.parts : 0u;
    EACH_THREAD
    {
        f32 largest = bits_to_f32(0xff7fffffu), shown = 0.0f;
        for (u32 i = thread; i < parts; i += THREADS) {
            f32 other = ATTENTION_PART_F32(i, ATTENTION_PART_LARGEST);
            largest = other > largest ? other : largest;
            shown = shown + ATTENTION_PART_F32(i, ATTENTION_PART_SHOWN);
        }
        SHARED_SET(merge_largest, thread, largest);
        SHARED_SET(merge_shown, thread, shown);
    }
    BARRIER;
    EACH_THREAD
    {
        u32 c = (begin + thread % ATTENTION_MERGE_WORDS) << shift;
        f32 largest = SHARED_GET(merge_largest, 0u), total = 0.0f, low = 0.0f, high = 0.0f;
        for (u32 i = 1u; i < THREADS && i < parts; i++)
            largest = SHARED_GET(merge_largest, i) > largest ? SHARED_GET(merge_largest, i) : largest;
        for (u32 i = thread / ATTENTION_MERGE_WORDS; i < parts; i += SLICES) {
            f32 factor = exp_f32(ATTENTION_PART_F32(i, ATTENTION_PART_LARGEST) - largest);
            total = MADD(ATTENTION_PART_F32(i, ATTENTION_PART_SUM), factor, total);
            if (c < args.dv)
                low = MADD(ATTENTION_PART_F32(i, ATTENTION_PART_V + c), factor, low);
            if (shift != 0u && c < args.dv)
                high = MADD(ATTENTION_PART_F32(i, ATTENTION_PART_V + c + 1u), factor, high);
        }
        SHARED_SET(merge_total, thread, total);
        SHARED_SET(merge_sum, thread, low);
        SHARED_SET(merge_sum, THREADS + thread, high);
    }
    BARRIER;
    EACH_THREAD
    {
        u32 query = row % args.queries, head = row / args.queries % (args.kv_heads * args.heads);
        u32 to = row / args.queries / (args.kv_heads * args.heads) * args.y_batch + head * args.y_head +
                 query * args.y_row;
        u32 c = (begin + thread) << shift, word = 0u;
        if (row < args.rows && thread < ATTENTION_MERGE_WORDS && c < args.dv) {
            f32 shown = 0.0f;
            for (u32 i = 0u; i < THREADS && i < parts; i++)
                shown = shown + SHARED_GET(merge_shown, i);
            for (u32 e = 0u; e <= shift; e++) {
                f32 total = 0.0f, sum = 0.0f;
                for (u32 i = thread; i < THREADS; i += ATTENTION_MERGE_WORDS) {
                    total = total + SHARED_GET(merge_total, i);
                    sum = sum + SHARED_GET(merge_sum, e * THREADS + i);
                }
                f32 v = shown == 0.0f && args.empty != 0u ? 0.0f : sum / total;
                PUT_F32(1, args.type, word, to + c + e, v);
            }
        }
    }
    BARRIER;
}

#undef ATTENTION_PART_F32
#undef SLICES
#undef THREADS
#endif
#endif
