/* Levels of CPU instructions, by which kernels are chosen. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

/* On each architecture, a level includes those before it. */
typedef enum cpu_level {
    CPU_C = 0,          /* portable C */
    CPU_AVX2 = 1,       /* x86: AVX2, FMA, F16C */
    CPU_AVX512 = 2,     /* x86: AVX-512 F, BW, DQ, VL */
    CPU_NEON = 3,       /* arm64 */
#if defined(SIBYL_WASM) /* whose objects no other build shares */
    CPU_SIMD128 = 4,
#endif
    CPU_LEVELS
} cpu_level;

/* The levels above portable C, lowest first: X(with, constant, name) for each. Those of every architecture, for what is
   declared: headers then read the same in all builds, which a compiler's cache takes for one. */
#define CPU_ALL_SIMD_LEVELS(X, with) X(with, AVX2, avx2) X(with, AVX512, avx512) X(with, NEON, neon)
#if defined(SIBYL_WASM)
#undef CPU_ALL_SIMD_LEVELS
#define CPU_ALL_SIMD_LEVELS(X, with) X(with, SIMD128, simd128)
#endif
/* And those of this build, for what is called. */
#if defined(SIBYL_X86)
#define CPU_SIMD_LEVELS(X, with) X(with, AVX2, avx2) X(with, AVX512, avx512)
#elif defined(SIBYL_ARM)
#define CPU_SIMD_LEVELS(X, with) X(with, NEON, neon)
#elif defined(SIBYL_WASM)
#define CPU_SIMD_LEVELS(X, with) X(with, SIMD128, simd128)
#else
#define CPU_SIMD_LEVELS(X, with)
#endif

/* "c", "avx2", "avx512", "neon", "simd128". */
const char *cpu_level_name(cpu_level level);

/* True where `level` can run on this machine; always for CPU_C. */
int cpu_level_runs(cpu_level level);

/* Returns the level to use: cpu_level_max(), lowered by the environment variable SIBYL_CPU if that names a
   level that can run here. */
cpu_level cpu_level_chosen(void);

/* The processor as CPUID names it; vendor "" and zeros where it does not say, as on arm64. */
typedef struct cpu_identity {
    char vendor[16]; /* "AuthenticAMD", "GenuineIntel" */
    unsigned family, model;
} cpu_identity;
cpu_identity cpu_identify(void);

#endif
