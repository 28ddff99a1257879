/* Scratch memory for kernels, kept from run to run: in a steady state nothing is allocated. */
#ifndef CPU_SCRATCH_H
#define CPU_SCRATCH_H

#include "backend/cpu/cpu.h"

/* A block of at least `bytes` bytes, aligned to MEM_ALIGN, not initialized; NULL where memory is short (then
   cpu_no_memory). To be given back by cpu_scratch_give within the same run. Callable from any thread. */
void *cpu_scratch_take(const cpu_call *c, size_t bytes);
/* Gives a block back for reuse; NULL is ignored. */
void cpu_scratch_give(const cpu_call *c, void *block);

/* Created with the backend, freed after the last run. */
cpu_scratch *cpu_scratch_create(void);
void cpu_scratch_free(cpu_scratch *s);

#endif
