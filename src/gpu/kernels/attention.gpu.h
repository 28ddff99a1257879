/* y[b, h, i] = sum over j of p[b, h, i, j] v[b, h', j], p the softmax over j of cap(scale q k) + bias, without scores
   in memory: of each tile of keys the largest score so far is known, and what was summed before is scaled to it. The
   `heads` query heads of a key head are its rows: row r is query r % queries of head r / queries. Keys are those of
   `past`, then the new ones.

   A group makes ATTENTION_ROWS rows for GROUP_Z = batch and GROUP_Y = key head, of ATTENTION_KEYS keys and
   ATTENTION_PART columns of q, k or v at a time. Tiles of keys that none of its rows reaches are left out.
   Where few rows have many keys each group takes `chunk` of them, GROUP_X times which are before it, and writes a part to
   y, of which the kernel attention_merge makes y.

   Buffers: 0 q, 1 k, 2 v, 3 past k, 4 past v, 5 bias, 6 y, 7 lengths, int64: keys that count. k and v begin at
   elements k_first and v_first. */
#ifndef GPU_KERNELS_ATTENTION_H
#define GPU_KERNELS_ATTENTION_H

#define ATTENTION_BIAS    1u
#define ATTENTION_BOOL    2u /* the bias is bool: false hides the key */
#define ATTENTION_LENGTHS 4u
#define ATTENTION_PADDED  8u  /* keys beyond the bias are hidden; else a width of 1 is for all */
#define ATTENTION_LEFT    16u /* keys further than `left` before the query are hidden */
#define ATTENTION_RIGHT   32u
/* Lengths are those of the kernel `cache`, the longest in buffer 3; past is 0. */
#define ATTENTION_ENDS 64u
/* The sums have one key more, of value 0 and score 0, or with ATTENTION_SINKS that of its head in buffer 4. */
#define ATTENTION_SINK  128u
#define ATTENTION_SINKS 256u
#define ATTENTION_LAST  512u  /* queries are at the last keys; else behind the past */
#define ATTENTION_EMPTY 1024u /* a row whose keys are all hidden is 0; else NaN */

#define ATTENTION_ROWS    16u
#define ATTENTION_KEYS    32u
#define ATTENTION_PART    32u
#define ATTENTION_PARTS   8u /* of v at most */
#define ATTENTION_THREADS 64u

#include "gpu/dialect/args.h"
#include "gpu/kernels/attention_parts.h"
/* Strides are in elements, those of the bias in rows of `width`. */
KERNEL_ARGS(attention, u32 type; u32 heads; u32 queries; u32 keys; u32 past; u32 d; u32 dv; u32 flags;
            u32 q_batch; u32 q_head; u32 q_row; u32 k_batch; u32 k_head; u32 k_row; u32 v_batch; u32 v_head;
            u32 v_row; u32 y_batch; u32 y_head; u32 y_row; u32 width; u32 bias_batch; u32 bias_head;
            u32 bias_row; i32 left; i32 right; u32 kv_heads; f32 scale; f32 softcap; u32 k_first; u32 v_first;
            u32 chunk;)

#ifdef GPU_DIALECT
#define THREADS ATTENTION_THREADS

SHARED(f32, attention_q, ATTENTION_ROWS *ATTENTION_PART)
SHARED(f32, attention_kv, ATTENTION_KEYS *ATTENTION_PART)
SHARED(f32, attention_p, ATTENTION_ROWS *ATTENTION_KEYS)
SHARED(f32, attention_largest, ATTENTION_THREADS)
SHARED(f32, attention_factor, ATTENTION_ROWS)

/* Column c of row j of the buffers `past_kv` and `kv`, whose own rows begin at `begin`; 0 outside. */
#define ATTENTION_LOAD(past_kv, kv, begin, row, width, j, c)                                                 \
    ((c) >= (width) || (j) >= all ? 0.0f                                                                     \
     : (j) < args.past            ? LOAD_F32(past_kv, args.type, (past_begin + (j)) * (width) + (c))         \
                                  : LOAD_F32(kv, args.type, (begin) + ((j)-args.past) * (row) + (c)))

KERNEL(attention)
{
    /* In products a thread has 2 rows and 4 columns; in the softmax 8 keys of a row. */
    PRIVATE(f32, scores, 8);
    PRIVATE(f32, sums, 8u * ATTENTION_PARTS);
    PRIVATE(f32, state, 2); /* of its row: the largest score, and its share of the sum of exponentials */
    PRIVATE(f32, shown, 2); /* whether a key of its columns is not hidden from its rows */
    bool parted = args.chunk != 0u;
    u32 first = parted ? 0u : GROUP_X * ATTENTION_ROWS, rows = args.heads * args.queries,
        all = args.past + args.keys;
    u32 parts = parted ? (all - 1u) / args.chunk + 1u : 1u;
    u32 past_begin = (GROUP_Z * args.kv_heads + GROUP_Y) * args.past;
    u32 k_begin = args.k_first + GROUP_Z * args.k_batch + GROUP_Y * args.k_head;
    u32 v_begin = args.v_first + GROUP_Z * args.v_batch + GROUP_Y * args.v_head;
    i32 valid = I32(all), offset = I32(args.past);
    if ((args.flags & ATTENTION_LAST) != 0u)
        offset = I32(all - args.queries);
    if ((args.flags & ATTENTION_LENGTHS) != 0u) {
        valid = I32(WORD(7, 2u * GROUP_Z));
        valid = valid < 0 ? 0 : valid > 0x20000000 ? 0x20000000 : valid;
        offset = valid - I32(args.queries);
    }
    if ((args.flags & ATTENTION_ENDS) != 0u) {
        valid = I32(WORD(7, GROUP_Z)) + 1;
        offset = WORD(3, 0u) == args.queries ? 0 : valid - I32(args.queries);
        i32 written = offset + I32(args.queries); /* keys; those behind them are zeros, and hidden */
        written = written > valid ? written : valid;
        all = U32(written) < all ? U32(written) : all;
        valid = (args.flags & ATTENTION_RIGHT) != 0u ? I32(all)
                                                     : valid; /* padded queries see what is before them */
    }
    /* Of the group's keys [own, own_end) the rows reach [begin, end). */
    u32 own = GROUP_X * args.chunk < all ? GROUP_X * args.chunk : all,
        own_end = parted && all - own > args.chunk ? own + args.chunk : all;
    u32 last = (first + ATTENTION_ROWS < rows ? first + ATTENTION_ROWS : rows) - 1u, begin = 0u, end = 0u;
    bool one_head = first / args.queries == last / args.queries;
    i32 low = I32(one_head ? first % args.queries : 0u) + offset - args.left;
    i32 high = I32(one_head ? last % args.queries : args.queries - 1u) + offset + args.right;
    if ((args.flags & ATTENTION_RIGHT) == 0u || high >= valid)
        high = valid - 1;
    if ((args.flags & ATTENTION_LEFT) != 0u && low > 0)
        begin = U32(low) / ATTENTION_KEYS * ATTENTION_KEYS;
    if (high >= 0)
        end = (U32(high) / ATTENTION_KEYS + 1u) * ATTENTION_KEYS;
    end = end < own ? own : end < own_end ? end : own_end;
    begin = begin < own ? own : begin < end ? begin : end;
    if (end - begin < own_end - own) { /* of the others infinities and NaN count still: 0 times them is NaN */
        EACH_THREAD
        {
            f32 found = 0.0f;
            for (u32 i = own + thread / ATTENTION_PART; i < own_end - (end - begin);
                 i += THREADS / ATTENTION_PART) {
                u32 j = i < begin ? i : i + (end - begin);
                for (u32 c = thread % ATTENTION_PART; c < args.d || c < args.dv; c += ATTENTION_PART)
                    if (!is_finite(ATTENTION_LOAD(3, 1, k_begin, args.k_row, args.d, j, c)) ||
                        !is_finite(ATTENTION_LOAD(4, 2, v_begin, args.v_row, args.dv, j, c)))
                        found = 1.0f;
            }
            SHARED_SET(attention_largest, thread, found);
        }
        BARRIER;
        EACH_THREAD
        {
            for (u32 i = 0u; i < THREADS; i++)
                if (SHARED_GET(attention_largest, i) != 0.0f) { /* as each thread finds */
                    begin = own;
                    end = own_end;
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
        u32 head = GROUP_Y * args.heads + (first + thread / 4u) / args.queries;
        if ((args.flags & ATTENTION_SINK) != 0u && own == 0u) {
            bool given = (args.flags & ATTENTION_SINKS) != 0u && first + thread / 4u < rows;
            MINE(state, 0) = given ? LOAD_F32(4, args.type, head) : 0.0f;
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
                        u32 head = GROUP_Y * args.heads + r / args.queries;
                        if (r < rows && p < args.d)
                            q = LOAD_F32(0, args.type,
                                         GROUP_Z * args.q_batch + head * args.q_head +
                                             r % args.queries * args.q_row + p);
                        SHARED_SET(attention_q, i, q);
                    }
                    SHARED_SET(attention_kv, i % ATTENTION_PART * ATTENTION_KEYS + i / ATTENTION_PART,
                               ATTENTION_LOAD(3, 1, k_begin, args.k_row, args.d, j, p));
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
                u32 query = r % args.queries, head = GROUP_Y * args.heads + r / args.queries;
                i32 apart = I32(query) + offset - I32(j);
                f32 score = MINE(scores, i) * args.scale;
                bool hidden = I32(j) >= valid || ((args.flags & ATTENTION_LEFT) != 0u && apart > args.left) ||
                              ((args.flags & ATTENTION_RIGHT) != 0u && apart < -args.right);
                if (args.softcap != 0.0f)
                    score = tanh_f32(score / args.softcap) * args.softcap;
                if ((args.flags & ATTENTION_BIAS) != 0u && r < rows && j < all) {
                    u32 column = (args.flags & ATTENTION_PADDED) == 0u && args.width == 1u ? 0u : j;
                    u32 at = (GROUP_Z * args.bias_batch + head * args.bias_head + query * args.bias_row) *
                                 args.width +
                             column;
                    if (column >= args.width)
                        hidden = true;
                    else if ((args.flags & ATTENTION_BOOL) != 0u)
                        hidden = hidden || LOAD(5, T_BOOL, at) == 0u;
                    else {
                        f32 bias = LOAD_F32(5, args.type, at);
                        hidden = hidden || bias == -INFINITE;
                        score = score + bias;
                    }
                }
                if (hidden)
                    score = score + -INFINITE;
                else if (j < all)
                    MINE(shown, i / 4u) = 1.0f;
                SHARED_SET(attention_p, y * ATTENTION_KEYS + x, j < all ? score : -INFINITE);
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
                    SHARED_SET(attention_kv, i, ATTENTION_LOAD(4, 2, v_begin, args.v_row, args.dv, j, c));
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
            u32 r = first + y, head = GROUP_Y * args.heads + r / args.queries;
            u32 to = GROUP_Z * args.y_batch + head * args.y_head + r % args.queries * args.y_row;
            f32 sum = 0.0f;
            for (u32 i = 0u; i < 4u; i++)
                sum = sum + SHARED_GET(attention_largest, y * 4u + i);
            bool any = false;
            for (u32 i = 0u; i < 8u; i++)
                any = any || SHARED_GET(attention_p, y * 8u + i) != 0.0f;
            u32 part = (((GROUP_Z * args.kv_heads + GROUP_Y) * rows + r) * parts + GROUP_X) *
                       (ATTENTION_PART_V + args.dv);
            if (parted && thread % 8u == 0u) {
                SET_WORD(6, part + ATTENTION_PART_LARGEST, f32_to_bits(SHARED_GET(attention_factor, y)));
                SET_WORD(6, part + ATTENTION_PART_SUM, f32_to_bits(sum));
                SET_WORD(6, part + ATTENTION_PART_SHOWN, f32_to_bits(any ? 1.0f : 0.0f));
            }
            for (u32 i = 0u; i < 4u * ATTENTION_PARTS; i++) {
                u32 column = i / 4u * ATTENTION_PART + thread % 8u * 4u + i % 4u, at = to + column;
                f32 v = MINE(sums, i / 4u * 8u + y % 2u * 4u + i % 4u);
                if (column >= args.dv)
                    continue;
                if (parted) {
                    SET_WORD(6, part + ATTENTION_PART_V + column, f32_to_bits(v));
                    continue;
                }
                v = any || (args.flags & ATTENTION_EMPTY) == 0u ? v / sum : 0.0f;
                PUT_F32(6, args.type, word, at, v);
            }
        }
    }
    BARRIER;
}

#undef THREADS
#endif
#endif
