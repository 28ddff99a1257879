/* What the kernels of attention share: their arguments, which keys there are, and a score of a product. */
#ifndef GPU_KERNELS_ATTENTION_SCORE_H
#define GPU_KERNELS_ATTENTION_SCORE_H

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

/* The `heads` query heads of a key head are its rows: row r is query r % queries of head r / queries. Keys are those of
   `past`, then the new ones; k and v begin at elements k_first and v_first. Strides are in elements, those of the bias in
   rows of `width`. chunk: keys of a group, of the kernel attention_row. */
#define ATTENTION_ARGS                                                                                       \
    u32 type;                                                                                                \
    u32 heads;                                                                                               \
    u32 queries;                                                                                             \
    u32 keys;                                                                                                \
    u32 past;                                                                                                \
    u32 d;                                                                                                   \
    u32 dv;                                                                                                  \
    u32 flags;                                                                                               \
    u32 q_batch;                                                                                             \
    u32 q_head;                                                                                              \
    u32 q_row;                                                                                               \
    u32 k_batch;                                                                                             \
    u32 k_head;                                                                                              \
    u32 k_row;                                                                                               \
    u32 v_batch;                                                                                             \
    u32 v_head;                                                                                              \
    u32 v_row;                                                                                               \
    u32 y_batch;                                                                                             \
    u32 y_head;                                                                                              \
    u32 y_row;                                                                                               \
    u32 width;                                                                                               \
    u32 bias_batch;                                                                                          \
    u32 bias_head;                                                                                           \
    u32 bias_row;                                                                                            \
    i32 left;                                                                                                \
    i32 right;                                                                                               \
    u32 kv_heads;                                                                                            \
    f32 scale;                                                                                               \
    f32 softcap;                                                                                             \
    u32 k_first;                                                                                             \
    u32 v_first;                                                                                             \
    u32 chunk;

#ifdef GPU_DIALECT
#define LOWEST bits_to_f32(0xff7fffffu)

/* all: keys there are; valid: of them, that count; offset: the first query's place among them. */
STRUCT(attention_span, u32 all; i32 valid; i32 offset;)

/* length: of the batch, longest: of all, where there are such. */
FN attention_span attention_span_of(u32 flags, u32 past, u32 keys, u32 queries, u32 length, u32 longest)
{
    attention_span span;
    span.all = past + keys;
    span.valid = I32(span.all);
    span.offset = (flags & ATTENTION_LAST) != 0u ? I32(span.all - queries) : I32(past);
    if ((flags & ATTENTION_LENGTHS) != 0u) {
        i32 given = I32(length);
        span.valid = given < 0 ? 0 : given > 0x20000000 ? 0x20000000 : given;
        span.offset = span.valid - I32(queries);
        u32 first = span.valid < 1 ? 1u : U32(span.valid); /* those behind do not count, and are not read */
        span.all = first < span.all ? first : span.all;
    }
    if ((flags & ATTENTION_ENDS) != 0u) {
        span.valid = I32(length) + 1;
        span.offset = longest == queries ? 0 : span.valid - I32(queries);
        i32 written = span.offset + I32(queries); /* keys; those behind them are zeros, and hidden */
        written = written > span.valid ? written : span.valid;
        span.all = U32(written) < span.all ? U32(written) : span.all;
        if ((flags & ATTENTION_RIGHT) != 0u) /* padded queries see what is before them */
            span.valid = I32(span.all);
    }
    return span;
}

/* The span of the group's batch. */
#define ATTENTION_SPAN                                                                                       \
    attention_span_of(args.flags, args.past, args.keys, args.queries,                                        \
                      (args.flags & ATTENTION_LENGTHS) != 0u ? WORD(7, 2u * GROUP_Z)                         \
                      : (args.flags & ATTENTION_ENDS) != 0u  ? WORD(7, GROUP_Z)                              \
                                                             : 0u,                                            \
                      (args.flags & ATTENTION_ENDS) != 0u ? WORD(3, 0u) : 0u)

/* Where the rows of a key head begin. */
#define ATTENTION_PAST_BEGIN ((GROUP_Z * args.kv_heads + GROUP_Y) * args.past)
#define ATTENTION_K_BEGIN    (args.k_first + GROUP_Z * args.k_batch + GROUP_Y * args.k_head)
#define ATTENTION_V_BEGIN    (args.v_first + GROUP_Z * args.v_batch + GROUP_Y * args.v_head)

/* The head of row r, and where the row begins in q. */
#define ATTENTION_HEAD(r) (GROUP_Y * args.heads + (r) / args.queries)
#define ATTENTION_Q_BEGIN(r)                                                                                 \
    (GROUP_Z * args.q_batch + ATTENTION_HEAD(r) * args.q_head + (r) % args.queries * args.q_row)
#define ATTENTION_Y_BEGIN(r)                                                                                 \
    (GROUP_Z * args.y_batch + ATTENTION_HEAD(r) * args.y_head + (r) % args.queries * args.y_row)

/* The word of column c of key j in the buffers `past_kv` and `kv`, whose rows of `width` begin at past_begin and
   `begin`. */
#define ATTENTION_WORD(past_kv, kv, begin, row, width, j, c)                                                 \
    ((j) < args.past ? WORD(past_kv, ((past_begin + (j)) * (width) + (c)) >> type_shift(args.type))          \
                     : WORD(kv, ((begin) + ((j)-args.past) * (row) + (c)) >> type_shift(args.type)))
#define ATTENTION_LOAD(past_kv, kv, begin, row, width, j, c)                                                 \
    float_of(args.type, ATTENTION_WORD(past_kv, kv, begin, row, width, j, c), c)

/* The score of the key that ATTENTION_SINK adds. */
#define ATTENTION_SINK_SCORE(r)                                                                              \
    ((args.flags & ATTENTION_SINKS) != 0u ? LOAD_FLOAT(4, args.type, ATTENTION_HEAD(r)) : 0.0f)

/* Whether key j is beyond what query i sees. */
FN bool attention_hides(u32 flags, i32 left, i32 right, attention_span span, u32 i, u32 j)
{
    i32 apart = I32(i) + span.offset - I32(j);
    return I32(j) >= span.valid || ((flags & ATTENTION_LEFT) != 0u && apart > left) ||
           ((flags & ATTENTION_RIGHT) != 0u && apart < -right);
}

/* Of the rows [first, last) of a key head: keys that one of them sees are in [begin, end), and those of [open_begin,
   open_end) are seen by all of them. */
STRUCT(attention_reach, u32 begin; u32 end; i32 open_begin; i32 open_end;)

FN attention_reach attention_reach_of(u32 flags, i32 left, i32 right, attention_span span, u32 queries,
                                      u32 first, u32 last)
{
    attention_reach reach;
    bool one_head = first / queries == (last - 1u) / queries;
    i32 low = I32(one_head ? first % queries : 0u) + span.offset;
    i32 high = I32(one_head ? (last - 1u) % queries : queries - 1u) + span.offset;
    i32 all = span.valid < I32(span.all) ? span.valid : I32(span.all), end = all;
    reach.begin = 0u;
    reach.open_begin = 0;
    reach.open_end = all;
    if ((flags & ATTENTION_RIGHT) != 0u) {
        end = high + right + 1 < all ? high + right + 1 : all;
        reach.open_end = low + right + 1 < all ? low + right + 1 : all;
    }
    if ((flags & ATTENTION_LEFT) != 0u) {
        reach.begin = low - left > 0 ? U32(low - left) : 0u;
        reach.open_begin = high - left;
    }
    reach.end = end > 0 ? U32(end) : 0u;
    return reach;
}

/* Fills `high` rows of 64 columns in shared memory, `pitch` apart, with columns from `column` on of the keys [from, end)
   of buffers `past_kv` and `kv`, whose rows of `width` begin at past_begin and `begin`; what is beyond is 0. A thread asks
   for four pieces at once, of 4 words, or of one where rows begin elsewhere. */
#define ATTENTION_FILL(array, pitch, high, past_kv, kv, begin, row, width, from, end, column)                \
    if (quads) {                                                                                             \
        ATTENTION_FILL_BY(4u, ATTENTION_LOAD_4, array, pitch, high, past_kv, kv, begin, row, width, from,    \
                          end, column)                                                                       \
    } else {                                                                                                 \
        ATTENTION_FILL_BY(1u, ATTENTION_LOAD_1, array, pitch, high, past_kv, kv, begin, row, width, from,    \
                          end, column)                                                                       \
    }
#define ATTENTION_FILL_BY(size, LOAD, array, pitch, high, past_kv, kv, begin, row, width, from, end, column) \
    ROLLED for (u32 fill = thread; fill < (high)*FILL_PIECES(size); fill += 4u * THREADS)                    \
    {                                                                                                        \
        u32 held[4u * size];                                                                                 \
        UNROLL for (u32 i = 0u; i < 4u; i++)                                                                 \
        {                                                                                                    \
            u32 j = (from) + FILL_ROW(i, size), c = (column) + FILL_COLUMN(i, size);                         \
            if (FILL_ROW(i, size) >= (high) || j >= (end) || c >= (width)) {                                 \
                UNROLL for (u32 e = 0u; e < size; e++) held[i * size + e] = 0u;                              \
            } else if (j < args.past) {                                                                      \
                LOAD(held, i *size, past_kv, ((past_begin + j) * (width) + c) >> shift)                      \
            } else {                                                                                         \
                LOAD(held, i *size, kv, ((begin) + (j - args.past) * (row) + c) >> shift)                    \
            }                                                                                                \
        }                                                                                                    \
        UNROLL for (u32 i = 0u; i < 4u; i++) if (FILL_ROW(i, size) < (high))                                 \
        {                                                                                                    \
            u32 to = FILL_ROW(i, size) * (pitch) + FILL_COLUMN(i, size);                                     \
            if (shift == 0u) {                                                                               \
                UNROLL for (u32 e = 0u; e < size; e++)                                                       \
                    SHARED_SET(array, to + e, bits_to_f32(held[i * size + e]));                              \
            } else {                                                                                         \
                UNROLL for (u32 e = 0u; e < 2u * size; e++)                                                  \
                    SHARED_SET(array, to + e, float_of(args.type, held[i * size + e / 2u], e));              \
            }                                                                                                \
        }                                                                                                    \
    }
#define ATTENTION_LOAD_4(to, at, buffer, i) LOAD_4(to, at, buffer, i)
#define ATTENTION_LOAD_1(to, at, buffer, i) to[at] = WORD(buffer, i);
/* Pieces of a row, and where the thread's piece i goes. */
#define FILL_PIECES(size)    ((64u / (size)) >> shift)
#define FILL_ROW(i, size)    ((fill + (i)*THREADS) >> ((size) == 4u ? 4u - shift : 6u - shift))
#define FILL_COLUMN(i, size) (((fill + (i)*THREADS) & (FILL_PIECES(size) - 1u)) * (size) << shift)

/* Whether all rows of keys and values begin at multiples of 4 words. */
#define ATTENTION_QUADS                                                                                      \
    (((args.k_first | args.k_batch | args.k_head | args.k_row | args.d | args.v_first | args.v_batch |       \
       args.v_head | args.v_row | args.dv) &                                                                 \
      ((4u << type_shift(args.type)) - 1u)) == 0u)

/* Makes the score of the scaled product of row r and key j, and says whether the key is hidden: it has -infinity then,
   also where its product is beyond float32, but NaN where what its query or key holds makes it NaN. */
#define ATTENTION_SCORE(score, hidden, r, j)                                                                 \
    {                                                                                                        \
        f32 bias = 0.0f;                                                                                     \
        if (args.softcap != 0.0f)                                                                            \
            score = tanh_f32(score / args.softcap) * args.softcap;                                           \
        hidden = attention_hides(args.flags, args.left, args.right, span, (r) % args.queries, j);            \
        if ((args.flags & ATTENTION_BIAS) != 0u) {                                                           \
            u32 column = (args.flags & ATTENTION_PADDED) == 0u && args.width == 1u ? 0u : (j);               \
            u32 at = (GROUP_Z * args.bias_batch + ATTENTION_HEAD(r) * args.bias_head +                       \
                      (r) % args.queries * args.bias_row) *                                                  \
                         args.width +                                                                        \
                     column;                                                                                 \
            if (column >= args.width)                                                                        \
                hidden = true;                                                                               \
            else if ((args.flags & ATTENTION_BOOL) != 0u)                                                    \
                hidden = hidden || LOAD(5, T_BOOL, at) == 0u;                                                \
            else {                                                                                           \
                bias = LOAD_FLOAT(5, args.type, at);                                                         \
                hidden = hidden || bias == -INFINITE;                                                        \
            }                                                                                                \
        }                                                                                                    \
        if (hidden) {                                                                                        \
            bool finite = !is_finite(score);                                                                 \
            ROLLED for (u32 c = 0u; c < args.d && finite; c++) finite =                                      \
                is_finite(LOAD_FLOAT(0, args.type, ATTENTION_Q_BEGIN(r) + c)) &&                             \
                is_finite(ATTENTION_LOAD(3, 1, k_begin, args.k_row, args.d, j, c));                          \
            score = (finite ? 0.0f : score) + -INFINITE;                                                     \
        }                                                                                                    \
        score = score + bias;                                                                                \
    }
#endif
#endif
