/* The kernels' dialect as C++ for CUDA (NVRTC): dialect/host.h has the same macros for C. Compiled with
   --fmad=false: what is written is what is computed, and products that may be fused with their sum say so by MADD. */
#define GPU_DIALECT 1

typedef unsigned int u32;
typedef int i32;
typedef float f32;

#define FN static __device__ __forceinline__
#define INOUT
#define EXACT
#define ROLLED _Pragma("unroll 1")
#define KERNEL_ARGS(name, ...)                                                                               \
    struct gpu_##name##_args {                                                                               \
        __VA_ARGS__                                                                                          \
    };
#define STRUCT(name, ...)                                                                                    \
    struct name {                                                                                            \
        __VA_ARGS__                                                                                          \
    };
/* Groups that a multiprocessor's registers hold at least. A kernel may say more. */
#define GROUPS_AT_ONCE 1
#define KERNEL(name)                                                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS, GROUPS_AT_ONCE)                                    \
        gpu_##name(const gpu_##name##_args args, u32 *words_0, u32 *words_1, u32 *words_2, u32 *words_3,     \
                   u32 *words_4, u32 *words_5, u32 *words_6, u32 *words_7)
#define thread threadIdx.x
#define EACH_THREAD
#define BARRIER                __syncthreads()
#define GROUP_X                blockIdx.x
#define GROUP_Y                blockIdx.y
#define GROUP_Z                blockIdx.z
#define GROUP                  (GROUP_Y * GROUPS_ALONG_X + GROUP_X)
#define PRIVATE(type, name, n) type name[n]
#define MINE(name, i)          name[i]
#define SHARED(type, name, n)  static __shared__ type name[n];
#define SHARED_GET(name, i)    name[i]
#define SHARED_SET(name, i, v) (name[i] = (v))
#define WORD(buffer, i)        words_##buffer[i]
#define SET_WORD(buffer, i, w) (words_##buffer[i] = (w))
/* Before a loop: it is unrolled, so that arrays of registers may have its counter as their index. */
#define UNROLL _Pragma("unroll")
/* Items at .. at + 3 of an array = words i .. i + 3, i a multiple of 4. */
#define LOAD_4(to, at, buffer, i)                                                                            \
    {                                                                                                        \
        const uint4 four = *(const uint4 *)(words_##buffer + (i));                                           \
        to[at] = four.x;                                                                                     \
        to[(at) + 1u] = four.y;                                                                              \
        to[(at) + 2u] = four.z;                                                                              \
        to[(at) + 3u] = four.w;                                                                              \
    }
#define F32(x) ((f32)(x))
#define I32(x) ((i32)(x))
#define U32(x) ((u32)(x))
/* a b + c, rounded once or twice */
#define MADD(a, b, c)  __fmaf_rn(a, b, c)
#define bits_to_f32(x) __uint_as_float(x)
#define f32_to_bits(x) __float_as_uint(x)
#define FLOOR(x)       floorf(x)
#define CEIL(x)        ceilf(x)
#define ROUND(x)       rintf(x)
#define SQRT(x)        sqrtf(x)
#define LOG2(x)        log2_of(x)
#define ABS(x)         fabsf(x)

FN f32 log2_of(f32 v)
{
    f32 log;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(log) : "f"(v));
    return log;
}

/* Between float16 and float32, as types.h has it for other devices. */
#define NATIVE_F16
FN f32 f16_to_f32(u32 bits)
{
    f32 v;
    asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"((unsigned short)bits));
    return v;
}

FN u32 f32_to_f16(f32 v)
{
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(v));
    return bits;
}
