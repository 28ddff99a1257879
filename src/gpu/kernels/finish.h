/* What a kernel does with its result before it writes it: a program (chain_program.h) of the elementwise functions that
   follow, with bias, activation or residual, whose register 0 is the result.

   The kernel's argument `finish` is the number of its instructions, 0: the result is written as it is. Buffer 7 is the
   program, the others from 2 on that the kernel does not use itself are operands and further results. Behind the
   dims are the rank and `broadcasts`. */
#ifndef GPU_KERNELS_FINISH_H
#define GPU_KERNELS_FINISH_H

#include "gpu/kernels/chain_program.h"

#define FINISH_BUFFER       7u
#define FINISH_RANK         6u
#define FINISH_BROADCASTS   7u
#define FINISH_REGISTERS    8
#define FINISH_INSTRUCTIONS 40u

#ifdef GPU_DIALECT
#include "gpu/kernels/chain_functions.h"

SHARED(u32, finish_program, CHAIN_CODE + FINISH_INSTRUCTIONS * CHAIN_WORDS)

/* Brings the program, before a barrier that all results are behind. */
#define FINISH_LOAD                                                                                          \
    EACH_THREAD                                                                                              \
    {                                                                                                        \
        for (u32 i = thread; i < CHAIN_CODE + args.finish * CHAIN_WORDS && args.finish != 0u; i += THREADS)  \
            SHARED_SET(finish_program, i, WORD(7, i));                                                       \
    }
#endif
#endif
