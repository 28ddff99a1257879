/* Names of symbols that are compiled once per CPU level: SIMD_NAME(rows_init) is rows_init_avx2 in the unit
   for SIMD_LEVEL avx2. */
#ifndef SIMD_LEVEL_H
#define SIMD_LEVEL_H

#define SIMD_JOIN(name, level)  name##_##level
#define SIMD_NAME_(name, level) SIMD_JOIN(name, level)
#define SIMD_NAME(name)         SIMD_NAME_(name, SIMD_LEVEL)

#endif
