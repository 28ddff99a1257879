#define ROWS_TYPED rows_types_c
#include "kernel/rows/rows_typed_all.inc.h"
