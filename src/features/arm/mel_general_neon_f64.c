#include "features/arm/vec_neon_f64.h"

#include "features/mel_general.inc.h"

const mel_kernel mel_general_neon_f64 = GENERAL_KERNEL;
