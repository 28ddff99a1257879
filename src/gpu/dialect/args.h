/* The arguments of a kernel as a struct of C, for those who launch it. Without a dialect, a kernel's file is
   this struct alone. */
#ifndef GPU_DIALECT
#ifndef GPU_DIALECT_ARGS_H
#define GPU_DIALECT_ARGS_H

#include <stdint.h>

typedef uint32_t u32;
typedef int32_t i32;
typedef float f32;

#define KERNEL_ARGS(name, ...)                                                                               \
    typedef struct gpu_##name##_args {                                                                       \
        __VA_ARGS__                                                                                          \
    } gpu_##name##_args;

#endif
#endif
