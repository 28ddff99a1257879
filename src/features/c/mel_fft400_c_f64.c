#include "features/c/vec_f64.h"

#include "features/mel_fft400.inc.h"

const mel_kernel mel_fft400_c_f64 = FFT400_KERNEL;
