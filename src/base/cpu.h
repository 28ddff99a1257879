/* Which kernels may run here. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

/* Each level holds all of the one before it on its architecture. */
typedef enum cpu_level {
    CPU_C = 0,      /* portable C */
    CPU_AVX2 = 1,   /* x86: AVX2, FMA, F16C */
    CPU_AVX512 = 2, /* x86: AVX-512 F, BW, DQ, VL */
    CPU_NEON = 3,   /* arm64 */
    CPU_LEVELS
} cpu_level;

/* "c", "avx2", "avx512", "neon". */
const char *cpu_level_name(cpu_level level);

/* True where `level` can run here: CPU_C always. */
int cpu_level_runs(cpu_level level);

/* Level to use: cpu_level_max(), lowered by the environment variable SIBYL_CPU where that names a level that
   runs here. */
cpu_level cpu_level_chosen(void);

#endif
