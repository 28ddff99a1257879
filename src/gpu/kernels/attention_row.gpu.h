/* `attention` of few rows of a key head, as a step of a decoder has. What it takes is time that passes until the keys and
   values are there, so each group takes few keys, all of which its threads ask for at once, and there are many groups:
   GROUP_X of `chunk` keys, for GROUP_Z = batch and GROUP_Y = key head. It makes y of them, or, where there are more, a
   part of which the kernel attention_merge makes y.

   A thread has 4 words of columns (a piece) of every so many-th key, and of every so many-th value; what pieces make of
   products, and keys of sums of v, is summed through shared memory, for two rows at a time. Hidden keys take part, since
   what they hold may be infinite or NaN.

   Rows of keys and values begin at multiples of 4 words. Buffers as `attention` has. */
#ifndef GPU_KERNELS_ATTENTION_ROW_H
#define GPU_KERNELS_ATTENTION_ROW_H

#define ATTENTION_ROW_ROWS    16u  /* at most */
#define ATTENTION_ROW_KEYS    128u /* of a group at most */
#define ATTENTION_ROW_THREADS 256u
#define ATTENTION_ROW_LOADS   8u  /* pieces that a thread has at once */
#define ATTENTION_ROW_PIECES  32u /* of a row at once */

#include "gpu/dialect/args.h"
#include "gpu/kernels/attention_parts.h"
#include "gpu/kernels/attention_score.h"
KERNEL_ARGS(attention_row, ATTENTION_ARGS)

#ifdef GPU_DIALECT
#define THREADS ATTENTION_ROW_THREADS
#define ROWS    ATTENTION_ROW_ROWS
#define KEYS    ATTENTION_ROW_KEYS
#define LOADS   ATTENTION_ROW_LOADS
#define PAIR    2u /* rows at a time */
#define STRETCH 8u /* scores of a row, of which a thread finds the largest */
#define SHARE   (KEYS / STRETCH)
#define SUMS                                                                                                 \
    2560u /* of a row: pieces of keys, 4 apart from the next key's, or two columns of 4 words a thread */

SHARED(f32, row_sums, PAIR *SUMS)
SHARED(u32, row_p, ROWS *KEYS) /* bits of scores, then of exponentials */
SHARED(f32, row_largest, ROWS *SHARE)
SHARED(f32, row_shown, ROWS *SHARE)
SHARED(f32, row_total, PAIR *THREADS / 2u)

/* Scores that are not as they seem: -infinity of a key that is not hidden, NaN of one that is. */
#define ROW_HIDDEN     0xff800000u
#define ROW_LOST       0xfffffffeu
#define ROW_HIDDEN_NAN 0xffffffffu

/* The pieces of a row of so many columns that a group has at once: a multiple of 4, of 4 columns each. */
#define ROW_PIECES(columns)                                                                                  \
    ((columns) < 4u * ATTENTION_ROW_PIECES ? ((columns) + 15u) / 16u * 4u : ATTENTION_ROW_PIECES)

/* What the thread has of 8 pieces: neighbours where words have two elements. */
#define ROW_SLOT(pieces)     (thread / ((pieces) >> shift))
#define ROW_LANE(pieces)     (thread % ((pieces) >> shift))
#define ROW_KEY(g, pieces)   (slot + ((g) >> shift) * (THREADS / ((pieces) >> shift)))
#define ROW_PIECE(g, pieces) ((lane << shift) + ((g)&shift))
#define ROW_HAS(g, pieces)   (slot < THREADS / ((pieces) >> shift) && ROW_KEY(g, pieces) < n)

/* Puts into `to` the thread's pieces of keys or values, from column `column` on; 0 where there is none. */
#define ROW_FETCH(to, pieces, past_kv, kv, begin, row, width, column)                                        \
    {                                                                                                        \
        u32 slot = ROW_SLOT(pieces), lane = ROW_LANE(pieces), c = (column) + (lane << shift) * 4u;           \
        UNROLL for (u32 i = 0u; i < LOADS; i++) if (i < LOADS >> shift)                                      \
        {                                                                                                    \
            u32 got[4], j = own + ROW_KEY(i << shift, pieces);                                               \
            if (!ROW_HAS(i << shift, pieces) || c >= (width)) {                                              \
                UNROLL for (u32 e = 0u; e < 4u; e++) got[e] = 0u;                                            \
            } else if (j < args.past)                                                                        \
                LOAD_4(got, 0u, past_kv, ((past_begin + j) * (width) + c) >> shift)                          \
            else                                                                                             \
                LOAD_4(got, 0u, kv, ((begin) + (j - args.past) * (row) + c) >> shift)                        \
            if (shift == 0u) {                                                                               \
                UNROLL for (u32 e = 0u; e < 4u; e++) MINE(to, 4u * i + e) = bits_to_f32(got[e]);             \
            } else {                                                                                         \
                UNROLL for (u32 e = 0u; e < 4u; e++)                                                         \
                {                                                                                            \
                    MINE(to, (8u * i + 2u * e) % (4u * LOADS)) = float_of(args.type, got[e], 0u);            \
                    MINE(to, (8u * i + 2u * e + 1u) % (4u * LOADS)) = float_of(args.type, got[e], 1u);       \
                }                                                                                            \
            }                                                                                                \
        }                                                                                                    \
    }

/* Products of the thread's pieces of keys with row r. */
#define ROW_PRODUCTS(r)                                                                                      \
    {                                                                                                        \
        u32 slot = ROW_SLOT(k_pieces), lane = ROW_LANE(k_pieces);                                            \
        f32 q[8];                                                                                            \
        UNROLL for (u32 e = 0u; e < 8u; e++)                                                                 \
        {                                                                                                    \
            u32 c = part + (lane << shift) * 4u + e;                                                         \
            q[e] =                                                                                           \
                c < args.d && e < 4u << shift ? LOAD_FLOAT(0, args.type, ATTENTION_Q_BEGIN(r) + c) : 0.0f;   \
        }                                                                                                    \
        UNROLL for (u32 g = 0u; g < LOADS; g++)                                                              \
        {                                                                                                    \
            u32 to = ROW_KEY(g, k_pieces) * (k_pieces + 4u) + ROW_PIECE(g, k_pieces);                        \
            f32 sum = 0.0f;                                                                                  \
            UNROLL for (u32 e = 0u; e < 4u; e++) sum =                                                       \
                MADD((g & shift) == 0u ? q[e] : q[4u + e], MINE(keys, 4u * g + e), sum);                     \
            if (ROW_HAS(g, k_pieces))                                                                        \
                SHARED_SET(row_sums, ((r)-pair) * SUMS + to, sum);                                           \
        }                                                                                                    \
    }

/* The score of key j and row r, whose pieces are summed; of columns before it stands there. */
#define ROW_SCORE(r, j)                                                                                      \
    {                                                                                                        \
        f32 score = part == 0u ? 0.0f : bits_to_f32(SHARED_GET(row_p, (r)*KEYS + (j)));                      \
        bool hidden = false;                                                                                 \
        ROLLED for (u32 p = 0u; p < k_pieces; p += 4u)                                                       \
        {                                                                                                    \
            u32 at = ((r)-pair) * SUMS + (j) * (k_pieces + 4u) + p;                                          \
            score = score + ((SHARED_GET(row_sums, at) + SHARED_GET(row_sums, at + 1u)) +                    \
                             (SHARED_GET(row_sums, at + 2u) + SHARED_GET(row_sums, at + 3u)));               \
        }                                                                                                    \
        if (part + 4u * ATTENTION_ROW_PIECES >= args.d) {                                                    \
            score = score * args.scale;                                                                      \
            ATTENTION_SCORE(score, hidden, r, own + (j))                                                     \
        }                                                                                                    \
        u32 bits = f32_to_bits(score);                                                                       \
        if (hidden)                                                                                          \
            bits = is_nan(score) ? ROW_HIDDEN_NAN : ROW_HIDDEN;                                              \
        else if (bits == ROW_HIDDEN && part + 4u * ATTENTION_ROW_PIECES >= args.d)                           \
            bits = ROW_LOST;                                                                                 \
        SHARED_SET(row_p, (r)*KEYS + (j), bits);                                                             \
    }

/* The largest of the thread's stretch of scores, and whether one is not hidden. */
#define ROW_STRETCH                                                                                          \
    f32 largest = LOWEST, shown = 0.0f;                                                                      \
    UNROLL for (u32 e = 0u; e < STRETCH; e++)                                                                \
    {                                                                                                        \
        u32 j = thread % SHARE * STRETCH + e;                                                                \
        if (j < n) {                                                                                         \
            u32 bits = SHARED_GET(row_p, thread / SHARE * KEYS + j);                                         \
            largest = bits_to_f32(bits) > largest ? bits_to_f32(bits) : largest;                             \
            shown = bits == ROW_HIDDEN || bits == ROW_HIDDEN_NAN ? shown : 1.0f;                             \
        }                                                                                                    \
    }                                                                                                        \
    SHARED_SET(row_largest, thread, largest);                                                                \
    SHARED_SET(row_shown, thread, shown);

/* The largest score of row r. */
#define ROW_LARGEST(largest, r)                                                                              \
    f32 largest = has_sink ? ATTENTION_SINK_SCORE(r) : LOWEST;                                               \
    UNROLL for (u32 i = 0u; i < SHARE; i++)                                                                  \
    {                                                                                                        \
        f32 other = SHARED_GET(row_largest, (r)*SHARE + i);                                                  \
        largest = other > largest ? other : largest;                                                         \
    }

/* The score in row_p becomes its exponential. */
#define ROW_EXPONENTIAL(item)                                                                                \
    ROW_LARGEST(largest, item / KEYS)                                                                        \
    u32 bits = SHARED_GET(row_p, item);                                                                      \
    bits = bits == ROW_LOST ? ROW_HIDDEN : bits;                                                             \
    SHARED_SET(row_p, item, f32_to_bits(exp_f32(bits_to_f32(bits) - largest)));

/* The thread's share of the sums of row r: of values, and of exponentials. */
#define ROW_VALUES(r)                                                                                        \
    {                                                                                                        \
        u32 slot = ROW_SLOT(v_pieces), lane = ROW_LANE(v_pieces);                                            \
        f32 sum[8], total = 0.0f;                                                                            \
        UNROLL for (u32 e = 0u; e < 8u; e++) sum[e] = 0.0f;                                                  \
        UNROLL for (u32 g = 0u; g < LOADS; g++) if (ROW_HAS(g, v_pieces))                                    \
        {                                                                                                    \
            f32 p = bits_to_f32(SHARED_GET(row_p, (r)*KEYS + ROW_KEY(g, v_pieces)));                         \
            if ((g & shift) == 0u) {                                                                         \
                total = total + p;                                                                           \
                UNROLL for (u32 e = 0u; e < 4u; e++) sum[e] = MADD(p, MINE(values, 4u * g + e), sum[e]);     \
            } else {                                                                                         \
                UNROLL for (u32 e = 0u; e < 4u; e++) sum[4u + e] =                                           \
                    MADD(p, MINE(values, 4u * g + e), sum[4u + e]);                                          \
            }                                                                                                \
        }                                                                                                    \
        UNROLL for (u32 e = 0u; e < 8u; e++) if (e < 4u << shift)                                            \
            SHARED_SET(row_sums, ((r)-pair) * SUMS + thread * (4u << shift) + e, sum[e]);                    \
        if (lane == 0u && slot < THREADS / 2u)                                                               \
            SHARED_SET(row_total, ((r)-pair) * (THREADS / 2u) + slot, total);                                \
    }

/* Writes word i of the columns [block, ...) of row r of y, or of the row's part. */
#define ROW_WRITE(r, i)                                                                                      \
    {                                                                                                        \
        u32 to = (((GROUP_Z * args.kv_heads + GROUP_Y) * rows + (r)) * parts + GROUP_X) *                    \
                 (ATTENTION_PART_V + args.dv);                                                               \
        f32 shown = 0.0f, total = 0.0f;                                                                      \
        u32 word = 0u;                                                                                       \
        ROW_LARGEST(largest, r)                                                                              \
        if (has_sink)                                                                                        \
            total = exp_f32(ATTENTION_SINK_SCORE(r) - largest);                                              \
        UNROLL for (u32 s = 0u; s < SHARE; s++) shown = shown + SHARED_GET(row_shown, (r)*SHARE + s);        \
        for (u32 s = 0u; s < slots; s++)                                                                     \
            total = total + SHARED_GET(row_total, ((r)-pair) * (THREADS / 2u) + s);                          \
        if (parts > 1u && block + (i) == 0u) {                                                               \
            SET_WORD(6, to + ATTENTION_PART_LARGEST, f32_to_bits(largest));                                  \
            SET_WORD(6, to + ATTENTION_PART_SUM, f32_to_bits(total));                                        \
            SET_WORD(6, to + ATTENTION_PART_SHOWN, f32_to_bits(shown));                                      \
        }                                                                                                    \
        for (u32 e = 0u; e <= shift; e++) {                                                                  \
            u32 c = block + ((i) << shift) + e;                                                              \
            f32 v = 0.0f;                                                                                    \
            for (u32 s = 0u; s < slots; s++)                                                                 \
                v = v + SHARED_GET(row_sums, ((r)-pair) * SUMS + s * v_pieces * 4u + ((i) << shift) + e);    \
            if (parts > 1u)                                                                                  \
                SET_WORD(6, to + ATTENTION_PART_V + c, f32_to_bits(v));                                      \
            else {                                                                                           \
                v = shown != 0.0f || (args.flags & ATTENTION_EMPTY) == 0u ? v / total : 0.0f;                \
                PUT_F32(6, args.type, word, ATTENTION_Y_BEGIN(r) + c, v);                                    \
            }                                                                                                \
        }                                                                                                    \
    }

KERNEL(attention_row)
{
    PRIVATE(f32, keys, 4u * LOADS);
    PRIVATE(f32, values, 4u * LOADS);
    attention_span span = ATTENTION_SPAN;
    u32 rows = args.heads * args.queries, shift = type_shift(args.type);
    u32 parts = (args.past + args.keys - 1u) / args.chunk + 1u;
    u32 past_begin = ATTENTION_PAST_BEGIN, k_begin = ATTENTION_K_BEGIN, v_begin = ATTENTION_V_BEGIN;
    u32 own = GROUP_X * args.chunk < span.all ? GROUP_X * args.chunk : span.all; /* [own, own + n) */
    u32 n = span.all - own < args.chunk ? span.all - own : args.chunk;
    u32 k_pieces = ROW_PIECES(args.d), v_pieces = ROW_PIECES(args.dv), slots = THREADS / (v_pieces >> shift);
    bool has_sink = (args.flags & ATTENTION_SINK) != 0u && GROUP_X == 0u;
    for (u32 block = 0u; block < args.dv; block += 4u * ATTENTION_ROW_PIECES) { /* of columns of v */
        for (u32 part = 0u; part < (block == 0u ? args.d : 1u); part += 4u * ATTENTION_ROW_PIECES) {
            EACH_THREAD
            {
                if (block == 0u)
                    ROW_FETCH(keys, k_pieces, 3, 1, k_begin, args.k_row, args.d, part)
                if (part == 0u)
                    ROW_FETCH(values, v_pieces, 4, 2, v_begin, args.v_row, args.dv, block)
            }
            BARRIER;
            for (u32 pair = 0u; pair < rows && block == 0u; pair += PAIR) {
                EACH_THREAD
                {
                    ROLLED for (u32 h = 0u; h < PAIR; h++) if (pair + h < rows) ROW_PRODUCTS(pair + h)
                }
                BARRIER;
                EACH_THREAD
                {
                    if (pair + thread / KEYS < rows && thread % KEYS < n)
                        ROW_SCORE(pair + thread / KEYS, thread % KEYS)
                }
                BARRIER;
            }
        }
        if (block == 0u) {
            EACH_THREAD
            {
                if (thread / SHARE < rows) {
                    ROW_STRETCH
                }
            }
            BARRIER;
            EACH_THREAD
            {
                ROLLED for (u32 item = thread; item < rows * KEYS; item += THREADS) if (item % KEYS < n)
                {
                    ROW_EXPONENTIAL(item)
                }
            }
            BARRIER;
        }
        u32 words = (args.dv - block < 4u * v_pieces ? args.dv - block : 4u * v_pieces) >> shift;
        for (u32 pair = 0u; pair < rows; pair += PAIR) {
            EACH_THREAD
            {
                ROLLED for (u32 h = 0u; h < PAIR; h++) if (pair + h < rows) ROW_VALUES(pair + h)
            }
            BARRIER;
            EACH_THREAD
            {
                ROLLED for (u32 item = thread; item < PAIR * words;
                            item += THREADS) if (pair + item / words < rows)
                    ROW_WRITE(pair + item / words, item % words)
            }
            BARRIER;
        }
    }
}

#undef THREADS
#undef ROWS
#undef KEYS
#undef LOADS
#undef PAIR
#undef STRETCH
#undef SHARE
#undef SUMS
#endif
#endif
