/* y[b, h, i] = sum over j of p[b, h, i, j] v[b, h', j], p the softmax over j of cap(scale q k) + bias, without scores
   in memory: of each tile of keys the largest score so far is known, and what was summed before is scaled to it.

   A group makes ATTENTION_ROWS rows for GROUP_Z = batch and GROUP_Y = key head, of ATTENTION_KEYS keys and
   ATTENTION_PART columns of q, k or v at a time. Tiles of keys that none of its rows reaches are left out.

   Buffers: 0 q, 1 k, 2 v, 3 past k, 4 past v, 5 bias, 6 y, 7 lengths, int64: keys that count. */
#ifndef GPU_KERNELS_ATTENTION_H
#define GPU_KERNELS_ATTENTION_H

#define ATTENTION_ROWS    16u
#define ATTENTION_KEYS    32u
#define ATTENTION_PART    32u
#define ATTENTION_PARTS   8u /* of v at most */
#define ATTENTION_THREADS 64u

#include "gpu/dialect/args.h"
#include "gpu/kernels/attention_score.h"
KERNEL_ARGS(attention, ATTENTION_ARGS)

#ifdef GPU_DIALECT
#define THREADS ATTENTION_THREADS

SHARED(f32, attention_q, ATTENTION_ROWS *ATTENTION_PART)
SHARED(f32, attention_kv, ATTENTION_KEYS *ATTENTION_PART)
SHARED(f32, attention_p, ATTENTION_ROWS *ATTENTION_KEYS)
SHARED(f32, attention_largest, ATTENTION_THREADS)
SHARED(f32, attention_factor, ATTENTION_ROWS)

KERNEL(attention)
{
    /* In products a thread has 2 rows and 4 columns; in the softmax 8 keys of a row. */
    PRIVATE(f32, scores, 8);
    PRIVATE(f32, sums, 8u * ATTENTION_PARTS);
    PRIVATE(f32, state, 2); /* of its row: the largest score, and its share of the sum of exponentials */
    PRIVATE(f32, shown, 2); /* whether a key of its columns is not hidden from its rows */
    attention_span span = ATTENTION_SPAN;
    u32 past_begin = ATTENTION_PAST_BEGIN, k_begin = ATTENTION_K_BEGIN, v_begin = ATTENTION_V_BEGIN;
    u32 first = GROUP_X * ATTENTION_ROWS, rows = args.heads * args.queries;
    /* Of all keys the rows reach [begin, end). */
    u32 last = (first + ATTENTION_ROWS < rows ? first + ATTENTION_ROWS : rows) - 1u, begin = 0u, end = 0u;
    bool one_head = first / args.queries == last / args.queries;
    i32 low = I32(one_head ? first % args.queries : 0u) + span.offset - args.left;
    i32 high = I32(one_head ? last % args.queries : args.queries - 1u) + span.offset + args.right;
    if ((args.flags & ATTENTION_RIGHT) == 0u || high >= span.valid)
        high = span.valid - 1;
    if ((args.flags & ATTENTION_LEFT) != 0u && low > 0)
        begin = U32(low) / ATTENTION_KEYS * ATTENTION_KEYS;
    if (high >= 0)
        end = (U32(high) / ATTENTION_KEYS + 1u) * ATTENTION_KEYS;
    end = end < span.all ? end : span.all;
    begin = begin < end ? begin : end;
    if (end - begin < span.all) { /* of the others infinities and NaN count still: 0 times them is NaN */
        EACH_THREAD
        {
            f32 found = 0.0f;
            for (u32 i = thread / ATTENTION_PART; i < span.all - (end - begin);
                 i += THREADS / ATTENTION_PART) {
                u32 j = i < begin ? i : i + (end - begin);
                for (u32 c = thread % ATTENTION_PART; c < args.d || c < args.dv; c += ATTENTION_PART)
                    if ((c < args.d && !is_finite(ATTENTION_LOAD(3, 1, k_begin, args.k_row, args.d, j, c))) ||
                        (c < args.dv && !is_finite(ATTENTION_LOAD(4, 2, v_begin, args.v_row, args.dv, j, c))))
                        found = 1.0f;
            }
            SHARED_SET(attention_largest, thread, found);
        }
        BARRIER;
        EACH_THREAD
        {
            for (u32 i = 0u; i < THREADS; i++)
                if (SHARED_GET(attention_largest, i) != 0.0f) { /* as each thread finds */
                    begin = 0u;
                    end = span.all;
                }
        }
        BARRIER;
    }
    EACH_THREAD
    {
        for (u32 i = 0u; i < 8u * ATTENTION_PARTS; i++)
            MINE(sums, i) = 0.0f;
        MINE(state, 0) = LOWEST;
        MINE(state, 1) = 0.0f;
        if ((args.flags & ATTENTION_SINK) != 0u && first + thread / 4u < rows) {
            MINE(state, 0) = ATTENTION_SINK_SCORE(first + thread / 4u);
            MINE(state, 1) = thread % 4u == 0u ? 1.0f : 0.0f;
        }
        MINE(shown, 0) = 0.0f;
        MINE(shown, 1) = 0.0f;
    }
    BARRIER;
    for (u32 from = begin; from < end; from += ATTENTION_KEYS) {
        EACH_THREAD
        {
            for (u32 i = 0u; i < 8u; i++)
                MINE(scores, i) = 0.0f;
        }
        BARRIER;
        for (u32 part = 0u; part < args.d; part += ATTENTION_PART) {
            EACH_THREAD
            {
                for (u32 i = thread; i < ATTENTION_KEYS * ATTENTION_PART; i += THREADS) {
                    u32 p = part + i % ATTENTION_PART, r = first + i / ATTENTION_PART,
                        j = from + i / ATTENTION_PART;
                    f32 q = 0.0f;
                    if (i < ATTENTION_ROWS * ATTENTION_PART) {
                        if (r < rows && p < args.d)
                            q = LOAD_F32(0, args.type, ATTENTION_Q_BEGIN(r) + p);
                        SHARED_SET(attention_q, i, q);
                    }
                    SHARED_SET(attention_kv, i % ATTENTION_PART * ATTENTION_KEYS + i / ATTENTION_PART,
                               p < args.d && j < span.all
                                   ? ATTENTION_LOAD(3, 1, k_begin, args.k_row, args.d, j, p)
                                   : 0.0f);
                }
            }
            BARRIER;
            EACH_THREAD
            {
                u32 y = thread / 8u * 2u, x = thread % 8u * 4u;
                for (u32 p = 0u; p < ATTENTION_PART; p++)
                    for (u32 i = 0u; i < 8u; i++)
                        MINE(scores, i) =
                            MADD(SHARED_GET(attention_q, (y + i / 4u) * ATTENTION_PART + p),
                                 SHARED_GET(attention_kv, p * ATTENTION_KEYS + x + i % 4u), MINE(scores, i));
            }
            BARRIER;
        }
        EACH_THREAD
        {
            for (u32 i = 0u; i < 8u; i++) {
                u32 y = thread / 8u * 2u + i / 4u, x = thread % 8u * 4u + i % 4u, r = first + y, j = from + x;
                f32 score = MINE(scores, i) * args.scale;
                bool hidden = true;
                if (r < rows && j < span.all)
                    ATTENTION_SCORE(score, hidden, r, j)
                if (!hidden)
                    MINE(shown, i / 4u) = 1.0f;
                SHARED_SET(attention_p, y * ATTENTION_KEYS + x, j < span.all ? score : -INFINITE);
            }
        }
        BARRIER;
        EACH_THREAD
        {
            f32 largest = LOWEST;
            for (u32 i = 0u; i < 8u; i++) {
                f32 score = SHARED_GET(attention_p, thread / 4u * ATTENTION_KEYS + thread % 4u + 4u * i);
                largest = score > largest ? score : largest;
            }
            SHARED_SET(attention_largest, thread, largest);
        }
        BARRIER;
        EACH_THREAD
        {
            f32 largest = MINE(state, 0), sum = 0.0f;
            for (u32 i = 0u; i < 4u; i++) {
                f32 other = SHARED_GET(attention_largest, thread / 4u * 4u + i);
                largest = other > largest ? other : largest;
            }
            f32 factor = exp_f32(MINE(state, 0) - largest);
            for (u32 i = 0u; i < 8u; i++) {
                u32 at = thread / 4u * ATTENTION_KEYS + thread % 4u + 4u * i;
                f32 p = exp_f32(SHARED_GET(attention_p, at) - largest);
                SHARED_SET(attention_p, at, p);
                sum = sum + p;
            }
            MINE(state, 1) = MINE(state, 1) * factor + sum;
            MINE(state, 0) = largest;
            if (thread % 4u == 0u)
                SHARED_SET(attention_factor, thread / 4u, factor);
        }
        BARRIER;
        for (u32 part = 0u; part < args.dv; part += ATTENTION_PART) {
            EACH_THREAD
            {
                for (u32 i = thread; i < ATTENTION_KEYS * ATTENTION_PART; i += THREADS) {
                    u32 c = part + i % ATTENTION_PART, j = from + i / ATTENTION_PART;
                    SHARED_SET(attention_kv, i,
                               c < args.dv && j < span.all
                                   ? ATTENTION_LOAD(4, 2, v_begin, args.v_row, args.dv, j, c)
                                   : 0.0f);
                }
            }
            BARRIER;
            EACH_THREAD
            {
                u32 y = thread / 8u * 2u, x = thread % 8u * 4u, held = part / ATTENTION_PART * 8u;
                f32 sum[8]; /* in registers; `sums` may be in memory, as its index depends on the part */
                for (u32 i = 0u; i < 8u; i++)
                    sum[i] = MINE(sums, held + i) * SHARED_GET(attention_factor, y + i / 4u);
                for (u32 j = 0u; j < ATTENTION_KEYS; j++)
                    for (u32 i = 0u; i < 8u; i++)
                        sum[i] = MADD(SHARED_GET(attention_p, (y + i / 4u) * ATTENTION_KEYS + j),
                                      SHARED_GET(attention_kv, j * ATTENTION_PART + x + i % 4u), sum[i]);
                for (u32 i = 0u; i < 8u; i++)
                    MINE(sums, held + i) = sum[i];
            }
            BARRIER;
        }
    }
    EACH_THREAD
    {
        SHARED_SET(attention_largest, thread, MINE(state, 1));
        if (thread % 4u == 0u)
            SHARED_SET(attention_factor, thread / 4u, MINE(state, 0));
        for (u32 i = 0u; i < 2u; i++)
            SHARED_SET(attention_p, (thread / 8u * 2u + i) * 8u + thread % 8u, MINE(shown, i));
    }
    BARRIER;
    EACH_THREAD
    {
        u32 word = 0u;
        for (u32 y = thread / 8u * 2u; y < thread / 8u * 2u + 2u && first + y < rows; y++) {
            f32 sum = 0.0f;
            for (u32 i = 0u; i < 4u; i++)
                sum = sum + SHARED_GET(attention_largest, y * 4u + i);
            bool any = false;
            for (u32 i = 0u; i < 8u; i++)
                any = any || SHARED_GET(attention_p, y * 8u + i) != 0.0f;
            for (u32 i = 0u; i < 4u * ATTENTION_PARTS; i++) {
                u32 column = i / 4u * ATTENTION_PART + thread % 8u * 4u + i % 4u;
                f32 v = MINE(sums, i / 4u * 8u + y % 2u * 4u + i % 4u);
                if (column >= args.dv)
                    continue;
                v = any || (args.flags & ATTENTION_EMPTY) == 0u ? v / sum : 0.0f;
                PUT_F32(6, args.type, word, ATTENTION_Y_BEGIN(first + y) + column, v);
            }
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
