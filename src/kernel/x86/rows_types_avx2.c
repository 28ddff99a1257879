#define ROWS_TYPED rows_types_avx2
#include "kernel/rows/rows_typed_all.inc.h"
