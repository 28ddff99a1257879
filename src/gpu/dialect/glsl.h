/* The kernels' dialect as GLSL 4.50 for Vulkan: dialect/host.h has the same macros for C. */
#define GPU_DIALECT 1

#define u32 uint
#define i32 int
#define f32 float

#define BUFFER(n)                                                                                            \
    layout(std430, binding = n) buffer buffer_##n                                                            \
    {                                                                                                        \
        uint words_##n[];                                                                                    \
    };
BUFFER(0) BUFFER(1) BUFFER(2) BUFFER(3) BUFFER(4) BUFFER(5) BUFFER(6) BUFFER(7)

#define FN
#define INOUT inout
#define EXACT precise
#define ROLLED
#define KERNEL_ARGS(name, ...) layout(push_constant) uniform name##_args{__VA_ARGS__} args;
#define STRUCT(name, ...)                                                                                    \
    struct name {                                                                                            \
        __VA_ARGS__                                                                                          \
    };
#define KERNEL(name)                                                                                         \
    layout(local_size_x = THREADS) in;                                                                       \
    void main()
#define thread gl_LocalInvocationIndex
#define EACH_THREAD
#define BARRIER                barrier()
#define GROUP_X                gl_WorkGroupID.x
#define GROUP_Y                gl_WorkGroupID.y
#define GROUP_Z                gl_WorkGroupID.z
#define GROUP                  (GROUP_Y * GROUPS_ALONG_X + GROUP_X)
#define PRIVATE(type, name, n) type name[n]
#define MINE(name, i)          name[i]
#define SHARED(type, name, n)  shared type name[n];
#define SHARED_KIB             32u
#define SHARED_GET(name, i)    name[i]
#define SHARED_SET(name, i, v) (name[i] = (v))
#define SHARED_OR(name, i, v)  atomicOr(name[i], v)
#define WORD(buffer, i)        words_##buffer[i]
#define SET_WORD(buffer, i, w) (words_##buffer[i] = (w))
/* Before a loop: it is unrolled, so that arrays of registers may have its counter as their index. */
#define UNROLL
/* Items at .. at + 3 of an array = words i .. i + 3, i a multiple of 4. */
#define LOAD_4(to, at, buffer, i)                                                                            \
    for (u32 four = 0u; four < 4u; four++) {                                                                 \
        to[(at) + four] = WORD(buffer, (i) + four);                                                          \
    }
/* The other way. */
#define STORE_4(buffer, i, from, at)                                                                         \
    for (u32 four = 0u; four < 4u; four++) {                                                                 \
        SET_WORD(buffer, (i) + four, from[(at) + four]);                                                     \
    }
#define F32(x) float(x)
#define I32(x) int(x)
#define U32(x) uint(x)
/* a b + c, rounded once or twice */
#define MADD(a, b, c)  ((a) * (b) + (c))
#define bits_to_f32(x) uintBitsToFloat(x)
#define f32_to_bits(x) floatBitsToUint(x)
#define FLOOR(x)       floor(x)
#define CEIL(x)        ceil(x)
#define ROUND(x)       roundEven(x)
#define SQRT(x)        sqrt(x)
#define QUOTIENT(a, b) quotient(a, b)
#define LOG2(x)        (is_finite(x) ? log2(x) : (x))
#define ABS(x)         abs(x)
