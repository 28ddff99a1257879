/* Sums of the kernel `matvec_t` for up to ROWS rows. While a thread computes with words of b, those that come next are on
   their way. */
EACH_THREAD
{
    u32 x = thread / lanes, column = MATVEC_COLUMN(x), pieces = args.k >> type_shift(args.b_type),
        y = thread % lanes;
    u32 each = 1u << type_shift(args.b_type), piece[4u * WIDTH], next[4u * WIDTH];
    pieces = column < args.n ? pieces / args.words : 0u;
    UNROLL
    for (u32 i = 0u; i < MATVEC_SUMS; i++)
        MINE(sums, i) = 0.0f;
    UNROLL
    for (u32 i = 0u; i < 4u * WIDTH; i++)
        next[i] = 0u;
    for (u32 p = y; p < pieces + lanes; p += lanes) {
        UNROLL
        for (u32 i = 0u; i < 4u * WIDTH; i++)
            piece[i] = next[i];
        UNROLL
        for (u32 j = 0u; j < WIDTH; j++) {
            u32 line = column + j < args.n ? column + j : column,
                at = b_begin + line * args.b_row + p * args.words;
            if (p < pieces && args.words == 1u)
                next[4u * j] = WORD(1, at);
            else if (p < pieces)
                LOAD_4(next, 4u * j, 1, at);
        }
        if (p < lanes)
            continue;
        UNROLL
        for (u32 i = 0u; i < 8u; i++) {
            u32 k = (p - lanes) * args.words * each + i;
            f32 b[WIDTH];
            if (i < args.words * each) {
                UNROLL
                for (u32 j = 0u; j < WIDTH; j++)
                    b[j] =
                        float_of(args.b_type,
                                 args.b_type == T_F32 ? piece[4u * j + i % 4u] : piece[4u * j + i / 2u], i);
                UNROLL
                for (u32 r = 0u; r < ROWS; r++) {
                    u32 row = MATVEC_ROW(r);
                    f32 a = LOAD_FLOAT(0, args.a_type, a_begin + row * args.a_row + k * args.a_column);
                    UNROLL
                    for (u32 j = 0u; j < WIDTH; j++)
                        MINE(sums, r * WIDTH + j) = MADD(a, b[j], MINE(sums, r * WIDTH + j));
                }
            }
        }
    }
}
BARRIER;
#undef ROWS
