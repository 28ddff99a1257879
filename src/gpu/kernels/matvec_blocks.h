/* Sums of the kernel `matvec_bits` for up to ROWS rows, eight weights at a time. */
EACH_THREAD
{
    u32 x = thread / lanes, column = MATVEC_COLUMN(x),
        pieces = column < args.n ? args.b_row / args.words : 0u;
    u32 each = 32u / args.bits, piece[4u * WIDTH];
    f32 scale[WIDTH], zero[WIDTH], b[8u * WIDTH];
    UNROLL
    for (u32 i = 0u; i < MATVEC_SUMS; i++)
        MINE(sums, i) = 0.0f;
    UNROLL
    for (u32 i = 0u; i < 4u * WIDTH; i++)
        piece[i] = 0u;
    for (u32 p = thread % lanes; p < pieces; p += lanes) {
        UNROLL
        for (u32 j = 0u; j < WIDTH; j++) {
            u32 at = (column + j < args.n ? column + j : column) * args.b_row + p * args.words;
            if (args.words == 1u)
                piece[4u * j] = WORD(1, at);
            else
                LOAD_4(piece, 4u * j, 1, at);
        }
        ROLLED
        for (u32 u = 0u; u < args.words * 4u / args.bits; u++) {
            u32 w = u * args.bits / 4u, k = p * args.words * each + 8u * u;
            if (k < args.k) {
                if (u == 0u || (k & (args.block - 1u)) == 0u) {
                    u32 g = k / args.block;
                    UNROLL
                    for (u32 j = 0u; j < WIDTH; j++) {
                        u32 line = column + j < args.n ? column + j : column;
                        scale[j] = LOAD_FLOAT(3, args.b_type, line * args.blocks + g);
                        zero[j] = F32(1u << (args.bits - 1u));
                        if (real)
                            zero[j] = LOAD_FLOAT(4, args.b_type, line * args.blocks + g);
                        else if ((args.flags & MATVEC_ZERO) != 0u)
                            zero[j] = MATVEC_ZERO_AT(line * args.zero_row, g);
                    }
                }
                UNROLL
                for (u32 j = 0u; j < WIDTH; j++) {
                    u32 low = w == 0u ? piece[4u * j] : piece[4u * j + 1u];
                    u32 high = w == 2u ? piece[4u * j + 2u] : piece[4u * j + 3u];
                    u32 word = (w < 2u ? low : high) >> (args.bits == 2u ? 16u * (u & 1u) : 0u);
                    u32 other = w == 0u ? piece[4u * j + 1u] : piece[4u * j + 3u]; /* of eight bits */
                    f32 whole = real ? 0.0f : zero[j];
                    UNROLL
                    for (u32 i = 0u; i < 8u; i++)
                        if (args.bits == 4u)
                            b[8u * j + i] = matvec_four(i < 4u ? word : word >> 16, i % 4u, whole);
                        else
                            b[8u * j + i] =
                                F32(((i * args.bits < 32u ? word : other) >> (i * args.bits & 31u)) &
                                    ((1u << args.bits) - 1u)) -
                                whole;
                    /* a scale that is infinite makes NaN of each 0 */
                    if (real || is_inf(scale[j])) {
                        UNROLL
                        for (u32 i = 0u; i < 8u; i++)
                            b[8u * j + i] = (b[8u * j + i] - (real ? zero[j] : 0.0f)) *
                                            (is_inf(scale[j]) ? scale[j] : 1.0f);
                    }
                }
                UNROLL
                for (u32 r = 0u; r < ROWS; r++) {
                    u32 at = MATVEC_ROW(r) * args.a_row + k, words[8];
                    LOAD_4(words, 0u, 0, at >> type_shift(args.a_type));
                    if (args.a_type == T_F32) {
                        LOAD_4(words, 4u, 0, at + 4u);
                    } else {
                        UNROLL
                        for (u32 i = 8u; i > 0u; i--)
                            words[i - 1u] = f32_to_bits(float_of(args.a_type, words[(i - 1u) / 2u], i - 1u));
                    }
                    UNROLL
                    for (u32 j = 0u; j < WIDTH; j++) {
                        f32 sum = 0.0f;
                        UNROLL
                        for (u32 i = 0u; i < 8u; i++)
                            sum = MADD(bits_to_f32(words[i]), b[8u * j + i], sum);
                        MINE(sums, r * WIDTH + j) =
                            MADD(sum, is_inf(scale[j]) ? 1.0f : scale[j], MINE(sums, r * WIDTH + j));
                    }
                }
            }
        }
    }
}
BARRIER;
#undef ROWS
