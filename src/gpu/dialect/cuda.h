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
#define SHARED(type, name, n)  static __shared__ __align__(16) type name[n];
#define SHARED_KIB             48u
#define SHARED_GET(name, i)    name[i]
#define SHARED_SET(name, i, v) (name[i] = (v))
#define SHARED_OR(name, i, v)  atomicOr(&name[i], v)
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
/* The other way. */
#define STORE_4(buffer, i, from, at)                                                                         \
    *(uint4 *)(words_##buffer + (i)) = make_uint4(from[at], from[(at) + 1u], from[(at) + 2u], from[(at) + 3u])
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
/* a / b rounded to the nearest */
#define QUOTIENT(a, b) ((a) / (b))
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

/* ---- Products by tensor cores: dialect/product.h ------------------------------------------------------ */

/* Left to the device's compiler, which knows the device. */
#define TENSOR_CORES (__CUDA_ARCH__ >= 800)

/* sum += a b of 16 x 8 x 8. Operands are float32 whose low 13 bits count for nothing; sums are truncated. */
FN void mma_add(f32 *sum, const u32 *a, const u32 *b)
{
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
                 "{%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* x = high + low of 11 and 12 bits, high rounded; what low loses is a 2^-24th of x, as float32's own rounding. */
FN void mma_split(f32 x, u32 *high, u32 *low)
{
    *high = (f32_to_bits(x) + 0x1000u) & 0xffffe000u;
    *low = f32_to_bits(x - bits_to_f32(*high));
}

/* Operands are sums of two numbers, unless they are exact; the product of both low ones is lost. */
#define MMA_PRODUCT(part, high, wide, deep, A, B, exact_a, exact_b)                                          \
    UNROLL for (u32 i = 0u; i < 4u * (high) * (wide); i++) part[i] = 0.0f;                                   \
    UNROLL for (u32 k = 0u; k < (deep); k += 8u)                                                             \
    {                                                                                                        \
        u32 mma_a[4u * (high)], mma_b[2u * (wide)], low_a[4u * (high)], low_b[2u * (wide)];                  \
        UNROLL for (u32 i = 0u; i < 4u * (high); i++) mma_split(                                             \
            A(i / 4u * 16u + FRAGMENT_ROW(i % 4u), k + FRAGMENT_A_K(i % 4u)), mma_a + i, low_a + i);         \
        UNROLL for (u32 i = 0u; i < 2u * (wide); i++)                                                        \
            mma_split(B(k + FRAGMENT_B_K(i % 2u), i / 2u * 8u + FRAGMENT_COLUMN), mma_b + i, low_b + i);     \
        UNROLL for (u32 i = 0u; i < (high) * (wide) && !(exact_a); i++)                                      \
            mma_add(part + 4u * i, low_a + i / (wide)*4u, mma_b + i % (wide)*2u);                            \
        UNROLL for (u32 i = 0u; i < (high) * (wide) && !(exact_b); i++)                                      \
            mma_add(part + 4u * i, mma_a + i / (wide)*4u, low_b + i % (wide)*2u);                            \
        UNROLL for (u32 i = 0u; i < (high) * (wide); i++)                                                    \
            mma_add(part + 4u * i, mma_a + i / (wide)*4u, mma_b + i % (wide)*2u);                            \
    }

#define BLOCK_PRODUCT(part, high, wide, deep, A, B, exact_a, exact_b)                                        \
    if (!TENSOR_CORES) {                                                                                     \
        PLAIN_PRODUCT(F32, part, high, wide, deep, A, B, MADD)                                               \
    } else if ((exact_a) && (exact_b)) {                                                                     \
        MMA_PRODUCT(part, high, wide, deep, A, B, true, true)                                                \
    } else if (exact_b) {                                                                                    \
        MMA_PRODUCT(part, high, wide, deep, A, B, false, true)                                               \
    } else {                                                                                                 \
        MMA_PRODUCT(part, high, wide, deep, A, B, false, false)                                              \
    }
