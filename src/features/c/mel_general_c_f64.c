#include "features/c/vec_f64.h"

#include "features/mel_general.inc.h"

const mel_kernel mel_general_c_f64 = GENERAL_KERNEL;
