#include "kernel/kernel.h"

#include <pthread.h>

void kernel_table_init(kernel_table *t, cpu_level level)
{
    kernel_init_c(t);
#if defined(SIBYL_X86)
    if (level == CPU_AVX2)
        kernel_init_avx2(t);
    if (level == CPU_AVX512)
        kernel_init_avx512(t);
#elif defined(SIBYL_ARM)
    if (level == CPU_NEON)
        kernel_init_neon(t);
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
