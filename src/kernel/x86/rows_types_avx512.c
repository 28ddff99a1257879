#define ROWS_TYPED rows_types_avx512
#include "kernel/rows/rows_typed_all.inc.h"
