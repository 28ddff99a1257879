#include "tables.h"

#include "kernel/conv/bytes_fill.h"
#include "kernel/gemm/gemm_int_fill.h"

named_table tables[CPU_LEVELS + 2];
size_t n_levels, n_tables;

static kernel_table *add_table(cpu_level level, const char *name)
{
    tables[n_tables].name = name;
    kernel_table_init(&tables[n_tables].table, level);
    mel_kernel_table_init(&tables[n_tables].mel, level);
    tables[n_tables].tile = *tile_lanes_for(level);
    return &tables[n_tables++].table;
}

int make_tables(void)
{
    n_tables = 0;
    for (int level = CPU_C; level < CPU_LEVELS; level++)
        if (cpu_level_runs((cpu_level)level))
            add_table((cpu_level)level, cpu_level_name((cpu_level)level));
    n_levels = n_tables;
#if defined(SIBYL_X86)
    if (cpu_level_runs(CPU_AVX2)) {
        kernel_table *t = add_table(CPU_AVX2, "avx2 without byte products");
        bytes_fill_avx2(&t->bytes);
        gemm_int_fill_avx2(&t->gemm_int);
    }
    if (cpu_level_runs(CPU_AVX512)) {
        kernel_table *t = add_table(CPU_AVX512, "avx512 without byte products");
        bytes_fill_avx512(&t->bytes);
        gemm_int_fill_avx512(&t->gemm_int);
    }
#endif
    return 0;
}
