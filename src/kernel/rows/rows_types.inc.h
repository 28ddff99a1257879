/* The kernels of rows for every element type, in plain C that is compiled for each level. */
#include "base/error.h" /* refuses -ffast-math */
#include "base/size.h"
#include "kernel/kernel.h"

#define INLINE static inline __attribute__((always_inline))

#define KIND_FLOAT 1
#define KIND_INT   2
#define KIND_UINT  3

#define T        float
#define SUM      double
#define KIND     KIND_FLOAT
#define RESULT   double
#define NAMED(x) f32_##x
#include "kernel/rows/rows_typed.inc.h"

#define T        double
#define SUM      double
#define KIND     KIND_FLOAT
#define RESULT   double
#define NAMED(x) f64_##x
#include "kernel/rows/rows_typed.inc.h"

#define T        int8_t
#define SUM      uint8_t
#define KIND     KIND_INT
#define RESULT   int8_t
#define NAMED(x) i8_##x
#include "kernel/rows/rows_typed.inc.h"

#define T        uint8_t
#define SUM      uint8_t
#define KIND     KIND_UINT
#define RESULT   uint8_t
#define NAMED(x) u8_##x
#include "kernel/rows/rows_typed.inc.h"

#define T        int16_t
#define SUM      uint16_t
#define KIND     KIND_INT
#define RESULT   int16_t
#define NAMED(x) i16_##x
#include "kernel/rows/rows_typed.inc.h"

#define T        uint16_t
#define SUM      uint16_t
#define KIND     KIND_UINT
#define RESULT   uint16_t
#define NAMED(x) u16_##x
#include "kernel/rows/rows_typed.inc.h"

#define T        int32_t
#define SUM      uint32_t
#define KIND     KIND_INT
#define RESULT   int32_t
#define NAMED(x) i32_##x
#include "kernel/rows/rows_typed.inc.h"

#define T        uint32_t
#define SUM      uint32_t
#define KIND     KIND_UINT
#define RESULT   uint32_t
#define NAMED(x) u32_##x
#include "kernel/rows/rows_typed.inc.h"

#define T        int64_t
#define SUM      uint64_t
#define KIND     KIND_INT
#define RESULT   int64_t
#define NAMED(x) i64_##x
#include "kernel/rows/rows_typed.inc.h"

#define T        uint64_t
#define SUM      uint64_t
#define KIND     KIND_UINT
#define RESULT   uint64_t
#define NAMED(x) u64_##x
#include "kernel/rows/rows_typed.inc.h"

void SIMD_NAME(rows_types)(rows_types *t)
{
    *t = (rows_types){{
        [SIB_F32] = &f32_typed,
        [SIB_F64] = &f64_typed,
        [SIB_I8] = &i8_typed,
        [SIB_U8] = &u8_typed,
        [SIB_I16] = &i16_typed,
        [SIB_U16] = &u16_typed,
        [SIB_I32] = &i32_typed,
        [SIB_U32] = &u32_typed,
        [SIB_I64] = &i64_typed,
        [SIB_U64] = &u64_typed,
    }};
}
