/* `attention` of few rows of a key head, as a step of a decoder has: the keys and values are read once, by many groups at
   once. A group takes the keys [GROUP_X * chunk, + chunk) of GROUP_Z = batch and GROUP_Y = key head, and makes y of
   them, or, where there are more, a part of which the kernel attention_merge makes y.

   Tiles of k, and then of v, go through shared memory: SLICES threads have a key of a tile of k, or a column of one of v,
   and leave sums for all rows there. Hidden keys take part, since what they hold may be infinite or NaN.

   Buffers as `attention` has. */
#ifndef GPU_KERNELS_ATTENTION_ROW_H
#define GPU_KERNELS_ATTENTION_ROW_H

#define ATTENTION_ROW_ROWS 16u  /* at most */
#define ATTENTION_ROW_KEYS 128u /* of a group at most */
#define ATTENTION_ROW_TILE 64u  /* keys, and columns, of a tile */

#include "gpu/dialect/args.h"
#include "gpu/kernels/attention_parts.h"
#include "gpu/kernels/attention_score.h"
KERNEL_ARGS(attention_row, ATTENTION_ARGS)

#ifdef GPU_DIALECT
#define THREADS 128u
#define SIDE    ATTENTION_ROW_TILE
#define ROWS    ATTENTION_ROW_ROWS
#define PITCH   (SIDE + 1u) /* so that a column of the tile is in as many banks */
#define SLICES  (THREADS / SIDE)
#define SLICE   (SIDE / SLICES)
#define LANES   32u /* threads of a row of scores, at most */

SHARED(f32, row_q, ROWS *SIDE)
SHARED(f32, row_tile, SIDE *PITCH) /* of k or v, row by row; then sums of slices */
SHARED(f32, row_p, ROWS *ATTENTION_ROW_KEYS)
SHARED(f32, row_largest, THREADS)
SHARED(f32, row_shown, THREADS)
SHARED(f32, row_sum, THREADS)

/* Rows are taken by fours, those behind the last one with queries of 0: whether the four of row i, a constant, are. */
#define ROW_TAKEN(i) ((i) / 4u * 4u < rows)

/* The columns [part, + SIDE) of the rows. */
#define ROW_LOAD_Q                                                                                           \
    for (u32 i = thread; i < taken * SIDE; i += THREADS) {                                                   \
        u32 r = i / SIDE, c = part + i % SIDE;                                                               \
        SHARED_SET(row_q, i,                                                                                 \
                   r < rows && c < args.d ? LOAD_F32(0, args.type, ATTENTION_Q_BEGIN(r) + c) : 0.0f);        \
    }

/* Adds to the thread's sums a's item (r, i) b's item (i, own) for each i of its slice. */
#define ROW_PRODUCTS(a, pitch, first, b)                                                                     \
    ROLLED for (u32 block = 0u; block < SLICE; block += 8u) for (u32 e = 0u; e < 8u; e++)                    \
    {                                                                                                        \
        u32 i = thread / SIDE * SLICE + block + e;                                                           \
        f32 item = b;                                                                                        \
        for (u32 r = 0u; r < ROWS; r++)                                                                      \
            if (ROW_TAKEN(r))                                                                                \
                MINE(sums, r) = MADD(SHARED_GET(a, r * (pitch) + (first) + i), item, MINE(sums, r));         \
    }

/* The thread's sums stand where ROW_SUM finds them. */
#define ROW_LEAVE                                                                                            \
    for (u32 r = 0u; r < ROWS; r++)                                                                          \
        if (ROW_TAKEN(r))                                                                                    \
            SHARED_SET(row_tile, (thread / SIDE * ROWS + r) * SIDE + thread % SIDE, MINE(sums, r));
#define ROW_SUM(sum, r, i)                                                                                   \
    for (u32 s = 0u; s < SLICES; s++)                                                                        \
        sum = sum + SHARED_GET(row_tile, (s * ROWS + (r)) * SIDE + (i));

/* The scores of the thread's keys of the tile in its row, the largest, and whether one is not hidden. */
#define ROW_SCORES                                                                                           \
    ROLLED for (u32 j = lane; j < SIDE && tile + j < n; j += lanes)                                          \
    {                                                                                                        \
        f32 score = 0.0f;                                                                                    \
        bool hidden = r >= rows;                                                                             \
        if (hidden)                                                                                          \
            score = -INFINITE;                                                                               \
        else {                                                                                               \
            ROW_SUM(score, r, j)                                                                             \
            score = score * args.scale;                                                                      \
            ATTENTION_SCORE(score, hidden, r, own + tile + j)                                                \
        }                                                                                                    \
        SHARED_SET(row_p, r *ATTENTION_ROW_KEYS + tile + j, score);                                          \
        MINE(state, 0) = score > MINE(state, 0) ? score : MINE(state, 0);                                    \
        MINE(state, 1) = hidden ? MINE(state, 1) : 1.0f;                                                     \
    }

/* What all lanes of row r found. */
#define ROW_LARGEST(largest, r)                                                                              \
    ROLLED for (u32 i = 0u; i < lanes; i++)                                                                  \
    {                                                                                                        \
        f32 other = SHARED_GET(row_largest, (r)*lanes + i);                                                  \
        largest = other > largest ? other : largest;                                                         \
    }

/* Exponentials of the scores of the thread's keys, and their sum. */
#define ROW_EXPONENTIALS                                                                                     \
    f32 largest = LOWEST, sum = 0.0f;                                                                        \
    ROW_LARGEST(largest, r)                                                                                  \
    ROLLED for (u32 j = lane; j < ATTENTION_ROW_KEYS; j += lanes)                                            \
    {                                                                                                        \
        f32 p = j < n ? exp_f32(SHARED_GET(row_p, r * ATTENTION_ROW_KEYS + j) - largest) : 0.0f;             \
        SHARED_SET(row_p, r *ATTENTION_ROW_KEYS + j, p);                                                     \
        sum = sum + p;                                                                                       \
    }                                                                                                        \
    if ((args.flags & ATTENTION_SINK) != 0u && GROUP_X == 0u && r < rows && lane == 0u)                      \
        sum = sum + exp_f32(ATTENTION_SINK_SCORE(r) - largest);                                              \
    SHARED_SET(row_sum, thread, sum);

/* Word i of the columns [part, + SIDE) of row r of y, or of the row's part. */
#define ROW_FINISH(r, i)                                                                                     \
    u32 to = (((GROUP_Z * args.kv_heads + GROUP_Y) * rows + (r)) * parts + GROUP_X) *                        \
             (ATTENTION_PART_V + args.dv);                                                                   \
    f32 largest = LOWEST, total = 0.0f, shown = 0.0f;                                                        \
    u32 word = 0u;                                                                                           \
    ROW_LARGEST(largest, r)                                                                                  \
    ROLLED for (u32 lane = 0u; lane < lanes; lane++)                                                         \
    {                                                                                                        \
        total = total + SHARED_GET(row_sum, (r)*lanes + lane);                                               \
        shown = shown + SHARED_GET(row_shown, (r)*lanes + lane);                                             \
    }                                                                                                        \
    if (parts > 1u && part + (i) == 0u) {                                                                    \
        SET_WORD(6, to + ATTENTION_PART_LARGEST, f32_to_bits(largest));                                      \
        SET_WORD(6, to + ATTENTION_PART_SUM, f32_to_bits(total));                                            \
        SET_WORD(6, to + ATTENTION_PART_SHOWN, f32_to_bits(shown));                                          \
    }                                                                                                        \
    ROLLED for (u32 c = (i) << shift; c <= ((i) << shift) + shift && part + c < args.dv; c++)                \
    {                                                                                                        \
        f32 v = 0.0f;                                                                                        \
        ROW_SUM(v, r, c)                                                                                     \
        if (parts > 1u) {                                                                                    \
            SET_WORD(6, to + ATTENTION_PART_V + part + c, f32_to_bits(v));                                   \
            continue;                                                                                        \
        }                                                                                                    \
        v = shown != 0.0f || (args.flags & ATTENTION_EMPTY) == 0u ? v / total : 0.0f;                        \
        PUT_F32(6, args.type, word, ATTENTION_Y_BEGIN(r) + part + c, v);                                     \
    }

KERNEL(attention_row)
{
    PRIVATE(f32, sums, ROWS);
    PRIVATE(f32, state, 2); /* the largest score, and whether a key is not hidden */
    attention_span span = ATTENTION_SPAN;
    u32 rows = args.heads * args.queries, taken = (rows + 3u) / 4u * 4u;
    u32 shift = type_shift(args.type), across = SIDE >> shift; /* words of a tile's row */
    u32 parts = (args.past + args.keys - 1u) / args.chunk + 1u;
    u32 past_begin = ATTENTION_PAST_BEGIN, k_begin = ATTENTION_K_BEGIN, v_begin = ATTENTION_V_BEGIN;
    u32 own = GROUP_X * args.chunk < span.all ? GROUP_X * args.chunk : span.all; /* [own, own + n) */
    u32 n = span.all - own < args.chunk ? span.all - own : args.chunk;
    bool quads = ATTENTION_QUADS;
    u32 lanes = THREADS / taken < LANES ? THREADS / taken : LANES;
    EACH_THREAD
    {
        bool sink = (args.flags & ATTENTION_SINK) != 0u && GROUP_X == 0u && thread / lanes < rows;
        MINE(state, 0) = sink ? ATTENTION_SINK_SCORE(thread / lanes) : LOWEST;
        MINE(state, 1) = 0.0f;
    }
    BARRIER;
    for (u32 tile = 0u; tile < n; tile += SIDE) {
        EACH_THREAD
        {
            for (u32 r = 0u; r < ROWS; r++)
                MINE(sums, r) = 0.0f;
        }
        BARRIER;
        for (u32 part = 0u; part < args.d; part += SIDE) {
            EACH_THREAD{ROW_LOAD_Q ATTENTION_FILL(row_tile, PITCH, SIDE, 3, 1, k_begin, args.k_row, args.d,
                                                  own + tile, own + n, part)} BARRIER;
            EACH_THREAD{

                ROW_PRODUCTS(row_q, SIDE, 0u, SHARED_GET(row_tile, thread % SIDE * PITCH + i))} BARRIER;
        }
        EACH_THREAD{ROW_LEAVE} BARRIER;
        EACH_THREAD
        {
            u32 r = thread / lanes, lane = thread % lanes;
            if (r < taken)
                ROW_SCORES
        }
        BARRIER;
    }
    EACH_THREAD
    {
        SHARED_SET(row_largest, thread, MINE(state, 0));
        SHARED_SET(row_shown, thread, MINE(state, 1));
    }
    BARRIER;
    EACH_THREAD
    {
        u32 r = thread / lanes, lane = thread % lanes;
        if (r < taken) {
            ROW_EXPONENTIALS
        }
    }
    BARRIER;
    for (u32 part = 0u; part < args.dv; part += SIDE) {
        EACH_THREAD
        {
            for (u32 r = 0u; r < ROWS; r++)
                MINE(sums, r) = 0.0f;
        }
        BARRIER;
        for (u32 tile = 0u; tile < n; tile += SIDE) {
            EACH_THREAD{ATTENTION_FILL(row_tile, PITCH, SIDE, 4, 2, v_begin, args.v_row, args.dv, own + tile,
                                       own + n, part)} BARRIER;
            EACH_THREAD{ROW_PRODUCTS(row_p, ATTENTION_ROW_KEYS, tile,
                                     SHARED_GET(row_tile, i * PITCH + thread % SIDE))} BARRIER;
        }
        EACH_THREAD{ROW_LEAVE} BARRIER;
        EACH_THREAD
        {
            ROLLED for (u32 item = thread; item < rows * across; item += THREADS)
            {
                ROW_FINISH(item / across, item % across)
            }
        }
        BARRIER;
    }
}

#undef THREADS
#undef SIDE
#undef ROWS
#undef PITCH
#undef SLICES
#undef SLICE
#undef LANES
#endif
#endif
