#include "features/arm/vec_neon_f32.h"

#include "features/mel_fft400.inc.h"

const mel_kernel mel_fft400_neon_f32 = FFT400_KERNEL;
