/* Elementwise functions one after another, on elements that stay in registers: a program (chain_program.h). Each thread
   has CHAIN_ELEMENTS elements of the result, which are complete words, and does each instruction for all of them.

   Buffers: 0 the program, 1 to 7 operands and results. */
#ifndef GPU_KERNELS_CHAIN_H
#define GPU_KERNELS_CHAIN_H

#include "gpu/kernels/chain_program.h"

#define CHAIN_REGISTERS   24
#define CHAIN_ELEMENTS    4u
#define CHAIN_THREADS     64u
#define CHAIN_PROGRAM_MAX 1700u

#include "gpu/dialect/args.h"
KERNEL_ARGS(chain, u32 count; u32 rank; u32 instructions;
            u32 broadcasts;) /* broadcasts: bit b for buffer b */

#ifdef GPU_DIALECT
#ifndef CHAIN_ALL
#define CHAIN_ALL
#endif
#include "gpu/kernels/chain_functions.h"

#define THREADS CHAIN_THREADS
#define RUN     CHAIN_ELEMENTS
#define BUFFERS(DO)                                                                                          \
    DO(case 1u, 1) DO(case 2u, 2) DO(case 3u, 3) DO(case 4u, 4) DO(case 5u, 5) DO(case 6u, 6) DO(default, 7)

/* The program, which a thread reads once for all of its elements. */
SHARED(u32, chain_program, CHAIN_PROGRAM_MAX)
#define PROGRAM(i) SHARED_GET(chain_program, i)

KERNEL(chain)
{
    u32 instructions = args.instructions, rank = args.rank, broadcasts = args.broadcasts;
    EACH_THREAD
    {
        for (u32 i = thread; i < CHAIN_CODE + instructions * CHAIN_WORDS; i += THREADS)
            SHARED_SET(chain_program, i, WORD(0, i));
    }
    BARRIER;
    EACH_THREAD
    {
        u32 r[CHAIN_REGISTERS * RUN], first = (GROUP * THREADS + thread) * RUN;
        u32 count = first >= args.count ? 0u : args.count - first;
        count = count < RUN ? count : RUN;
#include "gpu/kernels/chain_run.h"
    }
    BARRIER;
}

#undef PROGRAM
#undef BUFFERS
#undef RUN
#undef THREADS
#endif
#endif
