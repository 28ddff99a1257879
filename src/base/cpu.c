#include "base/cpu.h"

#if defined(SIBYL_X86)
#include <cpuid.h>
#endif
#include <sibyl/base.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[CPU_LEVELS] = {"c", "avx2", "avx512", "neon",
#if defined(SIBYL_WASM)
                                                    "simd128"
#endif
};

const char *cpu_level_name(cpu_level level)
{
    return level_names[level];
}

#if defined(SIBYL_X86)
/* clang 14 has no name for it. Asked once: in a virtual machine the instruction takes microseconds. */
static bool has_f16c(void)
{
    static atomic_int known; /* 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (!answer) {
        unsigned a, b, c = 0, d;
        answer = 1 + (__get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C));
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}
#endif

int cpu_level_runs(cpu_level level)
{
    switch (level) {
    case CPU_C:
        return 1;
#if defined(SIBYL_X86)
    case CPU_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    case CPU_AVX512:
        return cpu_level_runs(CPU_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#elif defined(SIBYL_ARM)
    case CPU_NEON: /* every arm64 has it */
        return 1;
#elif defined(SIBYL_WASM)
    case CPU_SIMD128: /* an engine without it refuses the module */
        return 1;
#endif
    default:
        return 0;
    }
}

cpu_identity cpu_identify(void)
{
    cpu_identity out = {.vendor = ""};
#if defined(SIBYL_X86)
    unsigned a, b, c, d;
    if (!__get_cpuid(0, &a, &b, &c, &d))
        return out;
    memcpy(out.vendor, &b, 4);
    memcpy(out.vendor + 4, &d, 4);
    memcpy(out.vendor + 8, &c, 4);
    if (!__get_cpuid(1, &a, &b, &c, &d))
        return out;
    unsigned family = a >> 8 & 15;
    out.family = family == 15 ? family + (a >> 20 & 255) : family;
    out.model = (a >> 4 & 15) | (family == 6 || family == 15 ? a >> 12 & 0xf0 : 0);
#endif
    return out;
}

/* Returns the highest level that this build has and this machine runs. */
static cpu_level cpu_level_max(void)
{
    cpu_level best = CPU_C;
    for (int level = CPU_C; level < CPU_LEVELS; level++)
        if (cpu_level_runs((cpu_level)level))
            best = (cpu_level)level;
    return best;
}

cpu_level cpu_level_chosen(void)
{
    const char *wanted = getenv("SIBYL_CPU");
    for (int level = CPU_C; wanted && level < CPU_LEVELS; level++)
        if (strcmp(wanted, level_names[level]) == 0 && cpu_level_runs((cpu_level)level))
            return (cpu_level)level;
    return cpu_level_max();
}

const char *sib_cpu_level_name(void)
{
    return cpu_level_name(cpu_level_chosen());
}
