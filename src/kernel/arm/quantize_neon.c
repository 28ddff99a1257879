#include "kernel/arm/vf_neon.h"

#define QUANTIZE_INIT quantize_init_neon
#include "kernel/quantize.inc.h"
