/* The text of a thread that has made `count` of up to RUN neighbouring elements of the result, from `first` on, bits
   made[RUN] of args.type: writes them, or runs the program that follows. `first` begins a word. The kernel names RUN
   and FINISH_SET(i, w), which sets word i of the result. */
if (args.finish == 0u) {
    u32 word = 0u;
    UNROLL
    for (u32 e = 0u; e < RUN; e++) {
        word = joined(args.type, word, made[e], e);
        if (e < count && (PLACE(args.type, e) == LAST_PLACE(args.type) || e + 1u == count))
            FINISH_SET((first + e) >> type_shift(args.type), word);
    }
} else {
#define PROGRAM(i)  SHARED_GET(finish_program, i)
#define BUFFERS(DO) DO(case 2u, 2) DO(case 3u, 3) DO(case 4u, 4) DO(case 5u, 5) DO(default, 6)
    u32 r[FINISH_REGISTERS * RUN], instructions = args.finish;
    u32 rank = PROGRAM(FINISH_RANK), broadcasts = PROGRAM(FINISH_BROADCASTS);
    UNROLL
    for (u32 e = 0u; e < RUN; e++)
        r[e] = rounded(args.type, made[e]);
#include "gpu/kernels/chain_run.h"
#undef PROGRAM
#undef BUFFERS
}
