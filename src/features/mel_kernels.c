#include "features/mel_internal.h"

#define ROW(with, constant, level)                                                                           \
    [CPU_##constant] = {mel_fft400_f32_##level, mel_fft400_f64_##level, mel_general_f64_##level,             \
                        mel_average_##level},

void mel_kernel_table_init(mel_kernel_table *table, cpu_level level)
{
    const mel_kernel_table by_level[CPU_LEVELS] = {ROW(, C, c) CPU_SIMD_LEVELS(ROW, )};
    *table = by_level[level];
}
