/* Memory that kernels need while they run, kept from run to run: in a steady state nothing is allocated. */
#ifndef CPU_SCRATCH_H
#define CPU_SCRATCH_H

#include "backend/cpu/cpu.h"

/* A block of at least `bytes` bytes aligned to MEM_ALIGN, with anything in it; NULL where there is no memory (then
   cpu_no_memory). Ends with cpu_scratch_give in the same run. From any thread. */
void *cpu_scratch_take(const cpu_call *c, size_t bytes);
/* Gives a block back for others to use; NULL is nothing. */
void cpu_scratch_give(const cpu_call *c, void *block);

/* Of the backend: made with it, freed after the last run. */
cpu_scratch *cpu_scratch_create(void);
void cpu_scratch_free(cpu_scratch *s);

#endif
