/* The text of a program's run, for a thread that has `count` of up to RUN neighbouring elements of the result, from
   element `first` on, in registers r of RUN elements each: `instructions`, `rank` and `broadcasts` (a bit for each
   buffer) are the program's. The file that includes it names RUN, PROGRAM(i), word i of the program, and
   BUFFERS(DO), a case for each buffer that a program may use. */
#if RUN == 4
#define CHAIN_LOAD_ALL(buffer)  LOAD_4(v0, 0u, buffer, first)
#define CHAIN_STORE_ALL(buffer) STORE_4(buffer, first, v0, 0u);
#else
#define CHAIN_LOAD_ALL(buffer)
#define CHAIN_STORE_ALL(buffer)
#endif
/* Buffers are named by numbers in the text, not by values. */
#define CHAIN_READ(when, buffer)                                                                             \
    when:                                                                                                    \
    if (whole) {                                                                                             \
        CHAIN_LOAD_ALL(buffer)                                                                               \
    } else {                                                                                                 \
        UNROLL                                                                                               \
        for (u32 e = 0u; e < RUN; e++)                                                                       \
            if (e < count)                                                                                   \
                v0[e] = WORD(buffer, place[e] >> packed);                                                    \
    }                                                                                                        \
    break;
#define CHAIN_WRITE(when, buffer)                                                                            \
    when:                                                                                                    \
    if (whole) {                                                                                             \
        CHAIN_STORE_ALL(buffer)                                                                              \
    } else {                                                                                                 \
        UNROLL                                                                                               \
        for (u32 e = 0u; e < RUN; e++)                                                                       \
            if (e < count && (PLACE(type, e) == LAST_PLACE(type) || e + 1u == count))                        \
                SET_WORD(buffer, (first + e) >> packed, v0[e]);                                              \
    }                                                                                                        \
    break;
/* Of float32: each element of v0 = expression. */
#define CHAIN_EACH(expression)                                                                               \
    UNROLL                                                                                                   \
    for (u32 e = 0u; e < RUN; e++) {                                                                         \
        f32 left = bits_to_f32(v0[e]), right = bits_to_f32(v1[e]);                                           \
        v0[e] = f32_to_bits(expression);                                                                     \
    }

u32 index[CHAIN_RANK], rest = first, line = 1u;
/* of the first element; the others follow it along the last axis, or are found one by one */
UNROLL
for (u32 d = CHAIN_RANK; d > 0u; d--) {
    u32 size = d <= rank && broadcasts != 0u ? PROGRAM(CHAIN_DIMS + d - 1u) : 1u;
    index[d - 1u] = rest % size;
    rest = rest / size;
    line = d == rank ? size : line;
}
ROLLED
for (u32 n = 0u; n < instructions && count != 0u; n++) {
    u32 at = CHAIN_CODE + n * CHAIN_WORDS, op = PROGRAM(at), type = PROGRAM(at + 1u);
    u32 to = PROGRAM(at + 2u), result = PROGRAM(at + 3u) * RUN, a = PROGRAM(at + 4u);
    u32 v0[RUN], v1[RUN], v2[RUN], place[RUN];
    u32 packed = type_shift(type);
    bool broadcast = op == CHAIN_LOAD && ((broadcasts >> a) & 1u) != 0u;
    bool whole = RUN == 4u && packed == 0u && count == RUN && (first & 3u) == 0u && !broadcast;
    if (op == CHAIN_LOAD) {
        u32 base = 0u, step = rank != 0u ? PROGRAM(CHAIN_STRIDES + a * CHAIN_RANK + rank - 1u) : 0u;
        UNROLL
        for (u32 d = 0u; d < CHAIN_RANK; d++)
            if (broadcast && d < rank)
                base = base + index[d] * PROGRAM(CHAIN_STRIDES + a * CHAIN_RANK + d);
        UNROLL
        for (u32 e = 0u; e < RUN; e++) {
            v0[e] = 0u;
            place[e] = broadcast ? base + e * step : first + e;
        }
        if (broadcast && line % RUN != 0u) {
            UNROLL
            for (u32 e = 1u; e < RUN; e++) {
                u32 above = first + e;
                place[e] = 0u;
                ROLLED
                for (u32 d = rank; d > 0u && e < count; d--) {
                    u32 size = PROGRAM(CHAIN_DIMS + d - 1u);
                    place[e] = place[e] + above % size * PROGRAM(CHAIN_STRIDES + a * CHAIN_RANK + d - 1u);
                    above = above / size;
                }
            }
        }
        switch (a) {
            BUFFERS(CHAIN_READ)
        }
        UNROLL
        for (u32 e = 0u; e < RUN; e++)
            v0[e] = decode(type, v0[e], place[e]);
    } else if (op == CHAIN_VALUE) {
        UNROLL
        for (u32 e = 0u; e < RUN; e++)
            v0[e] = a;
    } else if (op == CHAIN_STORE) {
        u32 word = 0u;
        UNROLL
        for (u32 e = 0u; e < RUN; e++) {
            word = joined(type, word, r[result + e], e);
            v0[e] = word;
        }
        switch (a) {
            BUFFERS(CHAIN_WRITE)
        }
        continue;
    } else {
        u32 second = PROGRAM(at + 5u) * RUN, third = PROGRAM(at + 6u) * RUN;
        UNROLL
        for (u32 e = 0u; e < RUN; e++) {
            v0[e] = r[a * RUN + e];
            v1[e] = r[second + e];
            v2[e] = r[third + e];
        }
        if (type == T_F32 && op == CHAIN_ADD) {
            CHAIN_EACH(left + right)
        } else if (type == T_F32 && op == CHAIN_SUB) {
            CHAIN_EACH(left - right)
        } else if (type == T_F32 && op == CHAIN_MUL) {
            CHAIN_EACH(left * right)
        } else {
            /* the operands move on by one, and results follow them: so no index is a variable */
            ROLLED
            for (u32 e = 0u; e < RUN; e++) {
                u32 applied = chain_apply(op, type, to, v0[0], v1[0], v2[0]);
                UNROLL
                for (u32 k = 0u; k + 1u < RUN; k++) {
                    v0[k] = v0[k + 1u];
                    v1[k] = v1[k + 1u];
                    v2[k] = v2[k + 1u];
                }
                v0[RUN - 1u] = applied;
            }
        }
    }
    UNROLL
    for (u32 e = 0u; e < RUN; e++)
        r[result + e] = v0[e];
}
#undef CHAIN_LOAD_ALL
#undef CHAIN_STORE_ALL
#undef CHAIN_READ
#undef CHAIN_WRITE
#undef CHAIN_EACH
