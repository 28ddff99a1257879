#include "kernel/x86/vf_avx2.h"

#define QUANTIZE_INIT quantize_init_avx2
#include "kernel/quantize.inc.h"
