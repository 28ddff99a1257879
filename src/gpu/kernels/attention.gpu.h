/* y[b, h, i] = sum over j of p[b, h, i, j] v[b, h', j], p the softmax over j of cap(scale q k) + bias, without scores
   in memory: of each tile of keys the largest score so far is known, and what was summed before is scaled to it.

   A group makes ATTENTION_ROWS rows of ATTENTION_COLUMNS columns of y for GROUP_Z = batch and GROUP_Y = key head: all
   such of a part of the keys come first in GROUP_X, which takes `chunk` keys and leaves what attention_merge makes y of;
   chunk 0: there is one part. 32 threads have 16 of the rows, whose scores and sums stay in their registers. Tiles of
   keys that none of the rows reaches are left out.

   Buffers: 0 q, 1 k, 2 v, 3 past k, 4 past v, 5 bias, 6 y, 7 lengths, int64: keys that count. */
#ifndef GPU_KERNELS_ATTENTION_H
#define GPU_KERNELS_ATTENTION_H

#define ATTENTION_ROWS    64u
#define ATTENTION_COLUMNS 64u

#include "gpu/dialect/args.h"
#include "gpu/kernels/attention_parts.h"
#include "gpu/kernels/attention_score.h"
KERNEL_ARGS(attention, ATTENTION_ARGS)

#ifdef GPU_DIALECT
#include "gpu/dialect/product.h"

#define THREADS (2u * ATTENTION_ROWS)
#define SIDE    ATTENTION_COLUMNS
#define KEYS    (SHARED_KIB < 48u ? 16u : 32u)
#define WIDE    (KEYS / 8u) /* blocks of a thread's scores */
#define DEEP    16u
/* Rows apart, so that threads meet in no bank: dialect/product.h. */
#define PITCH   (SHARED_KIB < 48u ? SIDE + 1u : SIDE + 8u)
#define V_PITCH (SHARED_KIB < 48u ? SIDE + 1u : SIDE + 4u)
#define P_PITCH (SHARED_KIB < 48u ? KEYS + 1u : KEYS + 8u)
/* Threads that share a row. */
#define SHARERS 4u

SHARED(f32, attention_q, ATTENTION_ROWS *PITCH)
SHARED(f32, attention_k, KEYS *PITCH)
SHARED(f32, attention_v, KEYS *V_PITCH)
SHARED(f32, attention_p, ATTENTION_ROWS *P_PITCH)
SHARED(f32, attention_largest, ATTENTION_ROWS *SHARERS) /* then the sums */
SHARED(f32, attention_shown, ATTENTION_ROWS *SHARERS)

/* The thread's two rows, of which it has scores and sums i with i % 4 / 2 = h, and its place among their threads. */
#define WARP_ROW  (thread / 32u * 16u)
#define OWN(h)    (WARP_ROW + LANE / 4u + (h)*8u)
#define SHARER(h) (OWN(h) * SHARERS + LANE % 4u)

/* The columns [part, + SIDE) of the rows. */
#define FILL_Q                                                                                               \
    ROLLED for (u32 fill = thread; fill < ATTENTION_ROWS * SIDE; fill += 4u * THREADS)                       \
    {                                                                                                        \
        f32 held[4];                                                                                         \
        UNROLL for (u32 i = 0u; i < 4u; i++)                                                                 \
        {                                                                                                    \
            u32 r = first + (fill + i * THREADS) / SIDE, c = part + (fill + i * THREADS) % SIDE;             \
            held[i] = r < rows && c < args.d ? LOAD_FLOAT(0, args.type, ATTENTION_Q_BEGIN(r) + c) : 0.0f;    \
        }                                                                                                    \
        UNROLL for (u32 i = 0u; i < 4u; i++)                                                                 \
            SHARED_SET(attention_q, (fill + i * THREADS) / SIDE * PITCH + fill % SIDE, held[i]);             \
    }

/* The operands of the products. */
#define Q_ITEM(y, c) SHARED_GET(attention_q, (WARP_ROW + (y)) * PITCH + at + (c))
#define K_ITEM(c, y) SHARED_GET(attention_k, (y)*PITCH + at + (c))
#define P_ITEM(y, j) SHARED_GET(attention_p, (WARP_ROW + (y)) * P_PITCH + (j))
#define V_ITEM(j, c) SHARED_GET(attention_v, (j)*V_PITCH + half_side * (SIDE / 2u) + (c))

/* Makes sums that are not finite again as they are defined. */
#define PLAIN_WHERE_SPOILT(part, wide, deep, A, B)                                                           \
    {                                                                                                        \
        bool spoilt = false;                                                                                 \
        UNROLL for (u32 i = 0u; i < 4u * (wide); i++) spoilt = spoilt || !is_finite(part[i]);                \
        if (spoilt) {                                                                                        \
            UNROLL for (u32 i = 0u; i < 4u * (wide); i++) part[i] = 0.0f;                                    \
            ROLLED for (u32 k = 0u; k < (deep); k++) UNROLL for (u32 i = 0u; i < 4u * (wide); i++) part[i] = \
                MADD(A(BLOCK_ROW(i, wide), k), B(k, BLOCK_COLUMN(i, wide)), part[i]);                        \
        }                                                                                                    \
    }

/* Adds the products of the columns [part, + SIDE) of q and k to the thread's scores. */
#define ADD_SCORES                                                                                           \
    ROLLED for (u32 at = 0u; at < SIDE && part + at < args.d; at += DEEP)                                    \
    {                                                                                                        \
        f32 made[4u * WIDE];                                                                                 \
        BLOCK_PRODUCT(made, 1u, WIDE, DEEP, Q_ITEM, K_ITEM, shift != 0u, shift != 0u)                        \
        PLAIN_WHERE_SPOILT(made, WIDE, DEEP, Q_ITEM, K_ITEM)                                                 \
        UNROLL for (u32 i = 0u; i < 4u * WIDE; i++) MINE(scores, i) = MINE(scores, i) + made[i];             \
    }

/* Adds p v to the thread's sums. */
#define ADD_VALUES                                                                                           \
    UNROLL for (u32 half_side = 0u; half_side < 2u; half_side++)                                             \
    {                                                                                                        \
        f32 made[2u * SIDE / 8u];                                                                            \
        if (block + half_side * (SIDE / 2u) < args.dv) {                                                     \
            BLOCK_PRODUCT(made, 1u, SIDE / 16u, KEYS, P_ITEM, V_ITEM, false, shift != 0u)                    \
            PLAIN_WHERE_SPOILT(made, SIDE / 16u, KEYS, P_ITEM, V_ITEM)                                       \
            UNROLL for (u32 i = 0u; i < 2u * SIDE / 8u; i++) MINE(sums, half_side *(2u * SIDE / 8u) + i) =   \
                MINE(sums, half_side * (2u * SIDE / 8u) + i) + made[i];                                      \
        }                                                                                                    \
    }

/* The thread's products become scores; the largest of each row is shared. */
#define SHARE_LARGEST                                                                                        \
    f32 largest[2];                                                                                          \
    largest[0] = largest[1] = LOWEST;                                                                        \
    UNROLL for (u32 i = 0u; i < 4u * WIDE; i++) MINE(scores, i) = MINE(scores, i) * args.scale;              \
    if (!open) { /* one after another, where their indices are variables */                                  \
        UNROLL for (u32 i = 0u; i < 4u * WIDE; i++) SHARED_SET(attention_p, P_PLACE(i), MINE(scores, i));    \
        ROLLED for (u32 i = 0u; i < 4u * WIDE; i++)                                                          \
        {                                                                                                    \
            u32 r = first + WARP_ROW + BLOCK_ROW(i, WIDE), j = from + BLOCK_COLUMN(i, WIDE);                 \
            f32 score = -INFINITE;                                                                           \
            bool hidden = true;                                                                              \
            if (r < rows && j < end) {                                                                       \
                score = SHARED_GET(attention_p, P_PLACE(i));                                                 \
                ATTENTION_SCORE(score, hidden, r, j)                                                         \
            }                                                                                                \
            if (!hidden)                                                                                     \
                MINE(shown, 0) = MINE(shown, 0) | (1u << (i % 4u / 2u));                                     \
            SHARED_SET(attention_p, P_PLACE(i), score);                                                      \
        }                                                                                                    \
        UNROLL for (u32 i = 0u; i < 4u * WIDE; i++) MINE(scores, i) = SHARED_GET(attention_p, P_PLACE(i));   \
    } else                                                                                                   \
        MINE(shown, 0) = 3u;                                                                                 \
    UNROLL for (u32 i = 0u; i < 4u * WIDE; i++) largest[i % 4u / 2u] =                                       \
        MINE(scores, i) > largest[i % 4u / 2u] ? MINE(scores, i) : largest[i % 4u / 2u];                     \
    UNROLL for (u32 h = 0u; h < 2u; h++) SHARED_SET(attention_largest, SHARER(h), largest[h]);
#define P_PLACE(i) ((WARP_ROW + BLOCK_ROW(i, WIDE)) * P_PITCH + BLOCK_COLUMN(i, WIDE))

/* Scores become exponentials, and what was summed before is scaled. */
#define SHARE_EXPONENTIALS                                                                                   \
    f32 factor[2];                                                                                           \
    UNROLL for (u32 h = 0u; h < 2u; h++)                                                                     \
    {                                                                                                        \
        f32 largest = MINE(state, h);                                                                        \
        UNROLL for (u32 i = 0u; i < SHARERS; i++)                                                            \
        {                                                                                                    \
            f32 other = SHARED_GET(attention_largest, OWN(h) * SHARERS + i);                                 \
            largest = other > largest ? other : largest;                                                     \
        }                                                                                                    \
        factor[h] = exp_f32(MINE(state, h) - largest);                                                       \
        MINE(state, h) = largest;                                                                            \
        MINE(state, 2u + h) = MINE(state, 2u + h) * factor[h];                                               \
    }                                                                                                        \
    UNROLL for (u32 i = 0u; i < 4u * WIDE; i++)                                                              \
    {                                                                                                        \
        f32 p = exp_f32(MINE(scores, i) - MINE(state, i % 4u / 2u));                                         \
        MINE(state, 2u + i % 4u / 2u) = MINE(state, 2u + i % 4u / 2u) + p;                                   \
        SHARED_SET(attention_p, P_PLACE(i), p);                                                              \
    }                                                                                                        \
    UNROLL for (u32 i = 0u; i < SIDE / 2u; i++) MINE(sums, i) = MINE(sums, i) * factor[i % 4u / 2u];

/* Writes word `at` of row y of what the group has in attention_q: y, or of a part. */
#define WRITE_WORD(y, at)                                                                                    \
    u32 word = 0u, r = first + (y);                                                                          \
    f32 total = 0.0f, any = 0.0f;                                                                            \
    UNROLL for (u32 i = 0u; i < SHARERS; i++)                                                                \
    {                                                                                                        \
        total = total + SHARED_GET(attention_largest, (y)*SHARERS + i);                                      \
        any = any + SHARED_GET(attention_shown, (y)*SHARERS + i);                                            \
    }                                                                                                        \
    if (parts > 1u && block + (at) == 0u) {                                                                  \
        SET_WORD(6, PART_BEGIN(r) + ATTENTION_PART_LARGEST,                                                  \
                 f32_to_bits(SHARED_GET(attention_p, (y)*P_PITCH)));                                         \
        SET_WORD(6, PART_BEGIN(r) + ATTENTION_PART_SUM, f32_to_bits(total));                                 \
        SET_WORD(6, PART_BEGIN(r) + ATTENTION_PART_SHOWN, f32_to_bits(any));                                 \
    }                                                                                                        \
    for (u32 c = (at) << shift; c <= ((at) << shift) + shift && block + c < args.dv; c++) {                  \
        f32 v = SHARED_GET(attention_q, (y)*PITCH + c);                                                      \
        if (parts > 1u)                                                                                      \
            SET_WORD(6, PART_BEGIN(r) + ATTENTION_PART_V + block + c, f32_to_bits(v));                       \
        else {                                                                                               \
            v = any == 0.0f && (args.flags & ATTENTION_EMPTY) != 0u ? 0.0f : v / total;                      \
            PUT_F32(6, args.type, word, ATTENTION_Y_BEGIN(r) + block + c, v);                                \
        }                                                                                                    \
    }
#define PART_BEGIN(r)                                                                                        \
    ((((GROUP_Z * args.kv_heads + GROUP_Y) * rows + (r)) * parts + own_part) * (ATTENTION_PART_V + args.dv))

KERNEL(attention)
{
    PRIVATE(f32, scores, 4u * WIDE);
    PRIVATE(f32, sums, SIDE / 2u);
    PRIVATE(f32, state,
            4); /* of two rows: the largest score, then the thread's share of the sum of exponentials */
    PRIVATE(u32, shown, 1); /* bit h: a key of the thread's is not hidden from row h */
    attention_span span = ATTENTION_SPAN;
    u32 past_begin = ATTENTION_PAST_BEGIN, k_begin = ATTENTION_K_BEGIN, v_begin = ATTENTION_V_BEGIN;
    u32 rows = args.heads * args.queries, tiles = (rows + ATTENTION_ROWS - 1u) / ATTENTION_ROWS;
    u32 blocks = (args.dv + SIDE - 1u) / SIDE, block = GROUP_X % blocks * SIDE;
    u32 first = GROUP_X / blocks % tiles * ATTENTION_ROWS, own_part = GROUP_X / blocks / tiles;
    u32 parts = args.chunk != 0u ? (args.past + args.keys - 1u) / args.chunk + 1u : 1u;
    u32 shift = type_shift(args.type);
    attention_reach reach = attention_reach_of(args.flags, args.left, args.right, span, args.queries, first,
                                               first + ATTENTION_ROWS < rows ? first + ATTENTION_ROWS : rows);
    /* Of the part's keys [own, own_end) the rows reach [begin, end). */
    u32 own = own_part * args.chunk < span.all ? own_part * args.chunk : span.all;
    u32 own_end = parts > 1u && span.all - own > args.chunk ? own + args.chunk : span.all;
    u32 begin = reach.begin < own       ? own
                : reach.begin < own_end ? own + (reach.begin - own) / KEYS * KEYS
                                        : own_end;
    u32 end = reach.end < begin ? begin : reach.end < own_end ? reach.end : own_end;
    bool quads = ATTENTION_QUADS, simple = (args.flags & ATTENTION_BIAS) == 0u && args.softcap == 0.0f;
    if (end - begin < own_end - own) { /* of the others infinities and NaN count still: 0 times them is NaN */
        EACH_THREAD
        {
            f32 found = 0.0f;
            for (u32 i = own + thread / SIDE; i < own_end - (end - begin); i += THREADS / SIDE) {
                u32 j = i < begin ? i : i + (end - begin);
                for (u32 c = thread % SIDE; c < args.d || c < args.dv; c += SIDE)
                    if ((c < args.d && !is_finite(ATTENTION_LOAD(3, 1, k_begin, args.k_row, args.d, j, c))) ||
                        (c < args.dv && !is_finite(ATTENTION_LOAD(4, 2, v_begin, args.v_row, args.dv, j, c))))
                        found = 1.0f;
            }
            SHARED_SET(attention_shown, thread, found);
        }
        BARRIER;
        EACH_THREAD
        {
            ROLLED for (u32 i = 0u; i < THREADS; i++) if (SHARED_GET(attention_shown, i) != 0.0f)
            { /* as each thread finds */
                begin = own;
                end = own_end;
            }
        }
        BARRIER;
    }
    EACH_THREAD
    {
        UNROLL for (u32 i = 0u; i < SIDE / 2u; i++) MINE(sums, i) = 0.0f;
        UNROLL for (u32 h = 0u; h < 2u; h++)
        {
            bool sink = (args.flags & ATTENTION_SINK) != 0u && own_part == 0u && first + OWN(h) < rows;
            MINE(state, h) = sink ? ATTENTION_SINK_SCORE(first + OWN(h)) : LOWEST;
            MINE(state, 2u + h) = sink && LANE % 4u == 0u ? 1.0f : 0.0f;
        }
        MINE(shown, 0) = 0u;
    }
    BARRIER;
    for (u32 from = begin; from < end; from += KEYS) {
        bool open = simple && I32(from) >= reach.open_begin && I32(from + KEYS) <= reach.open_end;
        for (u32 part = 0u; part < args.d; part += SIDE) {
            EACH_THREAD
            {
                if (from == begin || args.d > SIDE)
                    FILL_Q
                ATTENTION_FILL(attention_k, PITCH, KEYS, 3, 1, k_begin, args.k_row, args.d, from, end, part)
                if (part == 0u) {
                    ATTENTION_FILL(attention_v, V_PITCH, KEYS, 4, 2, v_begin, args.v_row, args.dv, from, end,
                                   block)
                    UNROLL for (u32 i = 0u; i < 4u * WIDE; i++) MINE(scores, i) = 0.0f;
                }
            }
            BARRIER;
            EACH_THREAD{ADD_SCORES} BARRIER;
        }
        EACH_THREAD{SHARE_LARGEST} BARRIER;
        EACH_THREAD{SHARE_EXPONENTIALS} BARRIER;
        EACH_THREAD{ADD_VALUES} BARRIER;
    }
    EACH_THREAD
    {
        UNROLL for (u32 h = 0u; h < 2u; h++)
        {
            SHARED_SET(attention_largest, SHARER(h), MINE(state, 2u + h));
            SHARED_SET(attention_shown, SHARER(h), F32((MINE(shown, 0) >> h) & 1u));
            if (LANE % 4u == 0u)
                SHARED_SET(attention_p, OWN(h) * P_PITCH, MINE(state, h));
        }
        UNROLL for (u32 i = 0u; i < SIDE / 2u; i++) SHARED_SET(
            attention_q, OWN(i % 4u / 2u) * PITCH + i / 4u * 8u + LANE % 4u * 2u + i % 2u, MINE(sums, i));
    }
    BARRIER;
    EACH_THREAD
    {
        ROLLED for (u32 item = thread; item < ATTENTION_ROWS * SIDE >> shift; item += THREADS)
        {
            u32 y = item / (SIDE >> shift), at = item % (SIDE >> shift);
            if (first + y < rows) {
                WRITE_WORD(y, at)
            }
        }
    }
    BARRIER;
}

#undef THREADS
#undef SIDE
#undef KEYS
#undef WIDE
#undef DEEP
#undef PITCH
#undef V_PITCH
#undef P_PITCH
#undef SHARERS
#undef WARP_ROW
#undef OWN
#undef SHARER
#undef FILL_Q
#undef Q_ITEM
#undef K_ITEM
#undef P_ITEM
#undef V_ITEM
#undef PLAIN_WHERE_SPOILT
#undef ADD_SCORES
#undef ADD_VALUES
#undef SHARE_LARGEST
#undef P_PLACE
#undef SHARE_EXPONENTIALS
#undef WRITE_WORD
#undef PART_BEGIN
#endif
#endif
