#include "features/x86/vec_avx512_f64.h"

#include "features/mel_fft400.inc.h"

const mel_kernel mel_fft400_avx512_f64 = FFT400_KERNEL;
