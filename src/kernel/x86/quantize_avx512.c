#include "kernel/x86/vf_avx512.h"

#define QUANTIZE_INIT quantize_init_avx512
#include "kernel/quantize.inc.h"
