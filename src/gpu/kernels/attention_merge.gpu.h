/* y of `attention` from parts of its keys, [batch, key head, row, part]: each is scaled to the largest score of all. A
   group makes ATTENTION_MERGE_WORDS words of rows of y, of one row or of several: `slices` threads share the parts of a
   word.

   Buffers: 0 the parts, 1 y. */
#ifndef GPU_KERNELS_ATTENTION_MERGE_H
#define GPU_KERNELS_ATTENTION_MERGE_H

#define ATTENTION_MERGE_WORDS  32u
#define ATTENTION_MERGE_SLICES 4u /* at most; the group has as many rows more where there are fewer */

#include "gpu/dialect/args.h"
#include "gpu/kernels/attention_parts.h"
/* rows: of all batches and heads; empty: 1 where a row whose keys are all hidden is 0, else it is NaN. The others are as
   of `attention`. */
KERNEL_ARGS(attention_merge, u32 type; u32 rows; u32 heads; u32 queries; u32 kv_heads; u32 dv; u32 parts;
            u32 empty; u32 slices; u32 y_batch; u32 y_head; u32 y_row;)

#ifdef GPU_DIALECT
#define THREADS (ATTENTION_MERGE_WORDS * ATTENTION_MERGE_SLICES)

SHARED(f32, merge_largest, THREADS)
SHARED(f32, merge_shown, THREADS)
SHARED(f32, merge_total, THREADS)
SHARED(f32, merge_sum, THREADS * 2)

#define ATTENTION_PART_F32(i, at)                                                                            \
    bits_to_f32(WORD(0, (row * args.parts + (i)) * (ATTENTION_PART_V + args.dv) + (at)))

/* The thread's row, and the first of its threads. */
#define MERGE_ROW   (GROUP / across * (THREADS / lanes) + thread / lanes)
#define MERGE_FIRST (thread / lanes * lanes)

KERNEL(attention_merge)
{
    u32 shift = type_shift(args.type), lanes = args.slices * ATTENTION_MERGE_WORDS;
    u32 across = ((args.dv >> shift) + ATTENTION_MERGE_WORDS - 1u) / ATTENTION_MERGE_WORDS; /* groups */
    u32 begin = GROUP % across * ATTENTION_MERGE_WORDS;
    EACH_THREAD
    {
        u32 row = MERGE_ROW, parts = row < args.rows ? args.parts : 0u;
        f32 largest = bits_to_f32(0xff7fffffu), shown = 0.0f;
        for (u32 i = thread % lanes; i < parts; i += lanes) {
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
        u32 row = MERGE_ROW, parts = row < args.rows ? args.parts : 0u;
        u32 c = (begin + thread % ATTENTION_MERGE_WORDS) << shift;
        f32 largest = SHARED_GET(merge_largest, MERGE_FIRST), total = 0.0f, low = 0.0f, high = 0.0f;
        for (u32 i = 1u; i < lanes && i < parts; i++) {
            f32 other = SHARED_GET(merge_largest, MERGE_FIRST + i);
            largest = other > largest ? other : largest;
        }
        for (u32 i = thread % lanes / ATTENTION_MERGE_WORDS; i < parts; i += args.slices) {
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
        u32 row = MERGE_ROW, head = row / args.queries % (args.kv_heads * args.heads);
        u32 to = row / args.queries / (args.kv_heads * args.heads) * args.y_batch + head * args.y_head +
                 row % args.queries * args.y_row;
        u32 c = (begin + thread % lanes) << shift, word = 0u;
        if (row < args.rows && thread % lanes < ATTENTION_MERGE_WORDS && c < args.dv) {
            f32 shown = 0.0f;
            for (u32 i = 0u; i < lanes && i < args.parts; i++)
                shown = shown + SHARED_GET(merge_shown, MERGE_FIRST + i);
            for (u32 e = 0u; e <= shift; e++) {
                f32 total = 0.0f, sum = 0.0f;
                for (u32 s = 0u; s < args.slices; s++) {
                    total = total + SHARED_GET(merge_total, thread + s * ATTENTION_MERGE_WORDS);
                    sum = sum + SHARED_GET(merge_sum, e * THREADS + thread + s * ATTENTION_MERGE_WORDS);
                }
                f32 v = shown == 0.0f && args.empty != 0u ? 0.0f : sum / total;
                PUT_F32(1, args.type, word, to + c + e, v);
            }
        }
    }
    BARRIER;
}

#undef ATTENTION_PART_F32
#undef MERGE_ROW
#undef MERGE_FIRST
#undef THREADS
#endif
#endif
