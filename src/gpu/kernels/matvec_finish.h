/* Adds the sums of all lanes, and writes the results: `sums` of each thread, X_STEP and Y_STEP from a unit's first thread
   to those of the next unit and the next lane. */
#define RUN              2u
#define FINISH_SET(i, w) SET_WORD(2, i, w)
FINISH_LOAD
ROLLED
for (u32 from = 0u; from < MATVEC_SUMS && FIRST_ROW + from / WIDTH < args.m; from += MATVEC_AT_ONCE) {
    EACH_THREAD
    {
        UNROLL
        for (u32 q = 0u; q < MATVEC_SUMS; q++) /* all, so that no index is a variable */
            if (q / MATVEC_AT_ONCE == from / MATVEC_AT_ONCE)
                SHARED_SET(matvec_all, MATVEC_AT(q % MATVEC_AT_ONCE, thread), MINE(sums, q));
    }
    BARRIER;
    EACH_THREAD
    {
        u32 q = thread / MATVEC_UNITS, u = thread % MATVEC_UNITS, parts = MATVEC_UNITS / args.units;
        u32 first = u % args.units * (X_STEP) + u / args.units * (Y_STEP);
        f32 sum = 0.0f;
        for (u32 i = 0u; i < MATVEC_LANES; i++)
            sum = sum + SHARED_GET(matvec_all, MATVEC_AT(q, first + i * parts * (Y_STEP)));
        SHARED_SET(matvec_parts, thread, sum);
    }
    BARRIER;
    EACH_THREAD
    {
        u32 each = 1u << type_shift(args.type), x = thread % args.units, q = thread / args.units * each;
        u32 row = FIRST_ROW + (from + q) / WIDTH, column = MATVEC_COLUMN(x) + (from + q) % WIDTH, made[RUN];
        bool inside = (from + q) % WIDTH + each <= MATVEC_OWN && column < args.n && q < MATVEC_AT_ONCE;
        u32 count = inside && row < args.m ? each : 0u, first = (GROUP_Z * args.m + row) * args.n + column;
        UNROLL
        for (u32 e = 0u; e < RUN; e++) {
            f32 sum = 0.0f;
            if (e < count) {
                for (u32 s = x; s < MATVEC_UNITS; s += args.units)
                    sum = sum + SHARED_GET(matvec_parts, (q + e) * MATVEC_UNITS + s);
                sum = args.alpha * sum;
                if ((args.flags & MATVEC_C) != 0u) /* element (row, column) of beta C */
                    sum = sum +
                          args.beta * LOAD_F32(5, args.type, row * args.c_row + (column + e) * args.c_column);
            }
            made[e] = f32_to_bits(sum);
        }
#include "gpu/kernels/finish_run.h"
    }
    BARRIER;
}
#undef RUN
#undef FINISH_SET
#undef X_STEP
#undef Y_STEP
