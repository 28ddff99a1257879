#include "kernel/vf_c.h"

#define QUANTIZE_INIT quantize_init_c
#include "kernel/quantize.inc.h"
