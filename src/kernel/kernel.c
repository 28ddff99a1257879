#include "kernel/kernel.h"

#include <pthread.h>

#define SIB_KERNELS(name) name##_init_c(&t->name);
static void init_c(kernel_table *t)
{
    kernel_init_c(t);
#include "kernel/families.def"
}
#undef SIB_KERNELS

#if defined(SIBYL_X86)
#define SIB_KERNELS(name) name##_init_avx2(&t->name);
static void init_avx2(kernel_table *t)
{
    kernel_init_avx2(t);
#include "kernel/families.def"
}
#undef SIB_KERNELS

#define SIB_KERNELS(name) name##_init_avx512(&t->name);
static void init_avx512(kernel_table *t)
{
    kernel_init_avx512(t);
#include "kernel/families.def"
}
#undef SIB_KERNELS
#elif defined(SIBYL_ARM)
#define SIB_KERNELS(name) name##_init_neon(&t->name);
static void init_neon(kernel_table *t)
{
    kernel_init_neon(t);
#include "kernel/families.def"
}
#undef SIB_KERNELS
#endif

void kernel_table_init(kernel_table *t, cpu_level level)
{
    init_c(t);
#if defined(SIBYL_X86)
    if (level == CPU_AVX2)
        init_avx2(t);
    if (level == CPU_AVX512)
        init_avx512(t);
#elif defined(SIBYL_ARM)
    if (level == CPU_NEON)
        init_neon(t);
#endif
    t->level = level;
}

static kernel_table table;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void fill_table(void)
{
    kernel_table_init(&table, cpu_level_chosen());
}

const kernel_table *kernel_table_get(void)
{
    pthread_once(&table_once, fill_table);
    return &table;
}
