/* The kernels of this machine, behind one table. kernel_c.c fills every entry with plain C, which says what
   the entry means; a CPU level then overwrites what it has faster. tests/kernel/trial.h takes every
   entry of every level that runs and holds it against its definition and the portable one.

   Pointers need the alignment of their element only. Arrays of one call do not overlap, except that x and y
   of an elementwise entry may be the same array. No entry allocates or fails; n = 0 does nothing. */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "base/cpu.h"
#include "kernel/families.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* dst[i] = src[i] as float, exactly (NaN: quieted, sign and payload kept). src: (n) 16-bit values. */
typedef void (*kernel_widen)(const void *src, float *dst, size_t n);
/* dst[i] = src[i] to nearest, ties to even; overflow to infinity; NaN quieted, sign and high payload kept. */
typedef void (*kernel_narrow)(const float *src, void *dst, size_t n);

typedef struct kernel_table {
    cpu_level level;

    kernel_widen widen_f16, widen_bf16;
    kernel_narrow narrow_f16, narrow_bf16;

    /* ---- What the machine can do ---------------------------------------------------------------------- */

    /* `rounds` rounds of fma_flops operations (an FMA counts two) in independent chains, none of which can
       be left out or folded where the caller uses what comes back. */
    float (*fma_rounds)(size_t rounds, float factor, float term);
    size_t fma_flops;
    /* Reads n floats once, in order; what comes back depends on each of them. */
    float (*read_f32)(const float *x, size_t n);

    /* ---- The families --------------------------------------------------------------------------------- */

#define SIB_KERNELS(name) name##_kernels name;
#include "kernel/families.def"
#undef SIB_KERNELS
} kernel_table;

/* Fills *t for `level`, which must run here. */
void kernel_table_init(kernel_table *t, cpu_level level);

/* The table of cpu_level_chosen(), filled at the first call. Thread-safe. */
const kernel_table *kernel_table_get(void);

/* What fills the entries of a family for a level, one per unit: <family>_init_<level>; kernel_init for
   those of no family. */
#define KERNEL_INIT(name, constant, level) void name##_init_##level(name##_kernels *k);
typedef kernel_table kernel_kernels;
KERNEL_INIT(kernel, C, c)
CPU_SIMD_LEVELS(KERNEL_INIT, kernel)
#define SIB_KERNELS(name)                                                                                    \
    KERNEL_INIT(name, C, c)                                                                                  \
    CPU_SIMD_LEVELS(KERNEL_INIT, name)
#include "kernel/families.def"
#undef SIB_KERNELS
#undef KERNEL_INIT

#endif
