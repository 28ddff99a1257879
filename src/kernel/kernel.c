#include "kernel/kernel.h"

#include <pthread.h>
#include <sibyl/base.h>

/* The functions that fill each family, by level. */
#define BY_LEVEL(name, constant, level) [CPU_##constant] = name##_init_##level,
#define SIB_KERNELS(name)                                                                                    \
    static void (*const name##_by_level[CPU_LEVELS])(name##_kernels * k) = {                                 \
        BY_LEVEL(name, C, c) CPU_SIMD_LEVELS(BY_LEVEL, name)};
SIB_KERNELS(kernel)
#include "kernel/families.def"
#undef SIB_KERNELS

static void fill(kernel_table *t, cpu_level level)
{
    kernel_by_level[level](t);
#define SIB_KERNELS(name) name##_by_level[level](&t->name);
#include "kernel/families.def"
#undef SIB_KERNELS
}

void kernel_table_init(kernel_table *t, cpu_level level)
{
    fill(t, CPU_C);
    if (level != CPU_C)
        fill(t, level);
    t->level = level;
    t->costs = kernel_costs_of(level);
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

const char *sib_cpu_class_name(void)
{
    return kernel_table_get()->costs->name;
}
