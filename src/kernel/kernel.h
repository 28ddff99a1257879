/* The kernels of this machine, behind one table. kernel_c.c fills every entry with plain C, which defines the
   entry; a CPU level then replaces those for which it has a faster function. tests/kernel/trial.h compares
   every entry of every level that runs here with its definition and with the portable one.

   Pointers need only the alignment of their element. Arrays of one call do not overlap, except that x and y
   of an elementwise entry may be the same array. No entry allocates or fails; n = 0 does nothing. */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "base/cpu.h"
#include "kernel/costs.h"
#include "kernel/families.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* dst[i] = src[i] as float, exactly (NaN: quieted, sign and payload kept). src: (n) 16-bit values. */
typedef void (*kernel_widen)(const void *src, float *dst, size_t n);
/* dst[i] = src[i] rounded to nearest, ties to even; overflow gives infinity; NaN is quieted, sign and high
   payload kept. */
typedef void (*kernel_narrow)(const float *src, void *dst, size_t n);

typedef struct kernel_table {
    cpu_level level;
    const kernel_costs *costs; /* of this machine */

    kernel_widen widen_f16, widen_bf16;
    kernel_narrow narrow_f16, narrow_bf16;

    /* ---- Peak throughput ------------------------------------------------------------------------------ */

    /* Runs `rounds` rounds of fma_flops operations (an FMA counts as two) in independent chains; the compiler
       cannot remove or fold them where the caller uses the result. */
    float (*fma_rounds)(size_t rounds, float factor, float term);
    size_t fma_flops;
    /* Reads n floats once, in order; the result depends on each of them. */
    float (*read_f32)(const float *x, size_t n);

    /* ---- The families --------------------------------------------------------------------------------- */

#define SIB_KERNELS(name) name##_kernels name;
#include "kernel/families.def"
#undef SIB_KERNELS
} kernel_table;

/* Fills *t for `level`, which this machine must support. */
void kernel_table_init(kernel_table *t, cpu_level level);

/* The table of cpu_level_chosen(), filled at the first call. Thread-safe. */
const kernel_table *kernel_table_get(void);

/* Each family has one function per level that fills its entries: <family>_init_<level>; entries of no family:
   kernel_init. */
#define KERNEL_INIT(name, constant, level) void name##_init_##level(name##_kernels *k);
typedef kernel_table kernel_kernels;
KERNEL_INIT(kernel, C, c)
CPU_ALL_SIMD_LEVELS(KERNEL_INIT, kernel)
#define SIB_KERNELS(name)                                                                                    \
    KERNEL_INIT(name, C, c)                                                                                  \
    CPU_ALL_SIMD_LEVELS(KERNEL_INIT, name)
#include "kernel/families.def"
#undef SIB_KERNELS
#undef KERNEL_INIT

#endif
