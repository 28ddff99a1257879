#include "features/mel_internal.h"

void mel_kernel_table_init(mel_kernel_table *table, cpu_level level)
{
    *table = (mel_kernel_table){mel_fft400_c_f32, mel_fft400_c_f64, mel_general_c_f64};
#if defined(SIBYL_X86)
    if (level == CPU_AVX2)
        *table = (mel_kernel_table){mel_fft400_avx2_f32, mel_fft400_avx2_f64, mel_general_avx2_f64};
    if (level == CPU_AVX512)
        *table = (mel_kernel_table){mel_fft400_avx512_f32, mel_fft400_avx512_f64, mel_general_avx512_f64};
#elif defined(SIBYL_ARM)
    if (level == CPU_NEON)
        *table = (mel_kernel_table){mel_fft400_neon_f32, mel_fft400_neon_f64, mel_general_neon_f64};
#endif
    (void)level;
}
