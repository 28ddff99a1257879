/* Sums of the kernel `matvec` for up to ROWS rows: DEEP words or fours of words of b are on their way at a time. */
EACH_THREAD
{
    u32 x = thread % args.units, column = MATVEC_COLUMN(x), lanes = MATVEC_THREADS / args.units;
    u32 at = b_begin + (GROUP_X * args.units + x) * args.words, piece[4u * DEEP];
    UNROLL
    for (u32 i = 0u; i < MATVEC_SUMS; i++)
        MINE(sums, i) = 0.0f;
    UNROLL
    for (u32 i = 0u; i < 4u * DEEP; i++)
        piece[i] = 0u;
    for (u32 first = thread / args.units; first < args.k && column < args.n; first += lanes * DEEP) {
        UNROLL
        for (u32 d = 0u; d < DEEP; d++) {
            u32 k = first + d * lanes;
            if (k < args.k && args.words == 1u)
                piece[4u * d] = WORD(1, at + k * args.b_row);
            else if (k < args.k)
                LOAD_4(piece, 4u * d, 1, at + k * args.b_row);
        }
        UNROLL
        for (u32 d = 0u; d < DEEP; d++) {
            u32 k = first + d * lanes;
            f32 b[WIDTH];
            UNROLL
            for (u32 i = 0u; i < WIDTH; i++)
                b[i] = float_of(args.b_type,
                                args.b_type == T_F32 ? piece[4u * d + i % 4u] : piece[4u * d + i / 2u], i);
            UNROLL
            for (u32 r = 0u; r < ROWS && k < args.k; r++) {
                u32 row = MATVEC_ROW(r);
                f32 a = LOAD_FLOAT(0, args.a_type, a_begin + row * args.a_row + k * args.a_column);
                UNROLL
                for (u32 i = 0u; i < WIDTH; i++)
                    if (i < 4u || args.b_type != T_F32)
                        MINE(sums, r * WIDTH + i) = MADD(a, b[i], MINE(sums, r * WIDTH + i));
            }
        }
    }
}
BARRIER;
#undef ROWS
#undef DEEP
