#include "features/x86/vec_avx2_f64.h"

#include "features/mel_general.inc.h"

const mel_kernel mel_general_avx2_f64 = GENERAL_KERNEL;
