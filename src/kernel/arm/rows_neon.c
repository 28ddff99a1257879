#include "kernel/arm/vf_neon.h"

#define ROWS_INIT rows_init_neon
#include "kernel/rows.inc.h"
