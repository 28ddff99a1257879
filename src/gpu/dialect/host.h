/* The kernels' dialect as C11: a work-group is a loop over its threads between barriers. Every access to a
   buffer is checked against its end. Where assertions are on, so is every access to shared memory: that
   somebody wrote the item, and that no other thread touches it between the same barriers. */
#ifndef GPU_DIALECT_HOST_H
#define GPU_DIALECT_HOST_H
#define GPU_DIALECT 1

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t u32;
typedef int32_t i32;
typedef float f32;

#define HOST_BUFFERS 8

typedef struct host_group {
    uint32_t *words[HOST_BUFFERS]; /* of each buffer */
    size_t n_words[HOST_BUFFERS];
    u32 x, y, z;            /* of this group */
    u32 phase, first_phase; /* number of the stretch between barriers, and that of the group's first one */
    const char *fault;      /* what the kernel did wrong first; NULL: nothing */
    size_t at;              /* the word or item */
} host_group;

static inline void host_fault(host_group *g, const char *what, size_t at)
{
    if (g->fault)
        return;
    g->fault = what;
    g->at = at;
}

static inline u32 host_word(host_group *g, unsigned buffer, u32 i)
{
    if (i < g->n_words[buffer])
        return g->words[buffer][i];
    host_fault(g, "reads after the end of a buffer", i);
    return 0;
}

static inline void host_set_word(host_group *g, unsigned buffer, u32 i, u32 word)
{
    if (i < g->n_words[buffer])
        g->words[buffer][i] = word;
    else
        host_fault(g, "writes after the end of a buffer", i);
}

/* ---- Shared memory ------------------------------------------------------------------------------------- */

/* Who touched an item last, and when: phases count from 1. */
typedef struct host_mark {
    u32 write_phase, writer, read_phase, reader;
} host_mark;

static inline u32 host_shared_read(host_group *g, host_mark *marks, u32 n, u32 i, u32 thread)
{
    if (i >= n) {
        host_fault(g, "reads after the end of shared memory", i);
        return 0;
    }
    host_mark *m = &marks[i];
    if (m->write_phase < g->first_phase)
        host_fault(g, "reads shared memory that nobody wrote", i);
    if (m->write_phase == g->phase && m->writer != thread)
        host_fault(g, "reads shared memory that another thread writes before the same barrier", i);
    m->read_phase = g->phase;
    m->reader = thread;
    return i;
}

static inline u32 host_shared_write(host_group *g, host_mark *marks, u32 n, u32 i, u32 thread)
{
    if (i >= n) {
        host_fault(g, "writes after the end of shared memory", i);
        return 0;
    }
    host_mark *m = &marks[i];
    if ((m->write_phase == g->phase && m->writer != thread) ||
        (m->read_phase == g->phase && m->reader != thread))
        host_fault(g, "writes shared memory that another thread uses before the same barrier", i);
    m->write_phase = g->phase;
    m->writer = thread;
    return i;
}

#define HOST_SEVERAL UINT32_MAX /* a writer that is no thread */

#if defined(SIBYL_ASSERTIONS)
#define SHARED(type, name, n)                                                                                \
    static _Thread_local type name[n];                                                                       \
    static _Thread_local host_mark name##_marks[n];
#define SHARED_GET(name, i)                                                                                  \
    name[host_shared_read(host, name##_marks, sizeof name / sizeof *name, (u32)(i), thread)]
#define SHARED_SET(name, i, value)                                                                           \
    (name[host_shared_write(host, name##_marks, sizeof name / sizeof *name, (u32)(i), thread)] = (value))
#define SHARED_OR(name, i, value)                                                                            \
    (name[host_shared_write(host, name##_marks, sizeof name / sizeof *name, (u32)(i), HOST_SEVERAL)] |=      \
     (value))
#else
#define SHARED(type, name, n)      static _Thread_local type name[n];
#define SHARED_GET(name, i)        name[i]
#define SHARED_SET(name, i, value) (name[i] = (value))
#define SHARED_OR(name, i, value)  (name[i] |= (value))
#endif

/* ---- The dialect: docs/gpu.md
   ------------------------------------------------------------------------------ */

#define FN static inline
/* KiB of shared memory that a group may have. */
#define SHARED_KIB 48u
/* Before an array that a function changes. */
#define INOUT
/* Before a variable: it is computed as written, without rearrangement. */
#define EXACT
/* Before a loop that devices need not repeat in their code: a long body, or few rounds. */
#define ROLLED
#define KERNEL_ARGS(name, ...)                                                                               \
    typedef struct gpu_##name##_args {                                                                       \
        __VA_ARGS__                                                                                          \
    } gpu_##name##_args;
#define STRUCT(name, ...)                                                                                    \
    typedef struct name {                                                                                    \
        __VA_ARGS__                                                                                          \
    } name;
#define KERNEL(name)                                                                                         \
    enum { gpu_##name##_threads = THREADS };                                                                 \
    static void gpu_##name##_group(host_group *host, const gpu_##name##_args args)
#define EACH_THREAD            for (u32 thread = 0; thread < THREADS; thread++)
#define BARRIER                host->phase++
#define GROUP_X                host->x
#define GROUP_Y                host->y
#define GROUP_Z                host->z
#define GROUP                  (GROUP_Y * GROUPS_ALONG_X + GROUP_X)
#define PRIVATE(type, name, n) type name[THREADS][n]
#define MINE(name, i)          name[thread][i]
#define WORD(buffer, i)        host_word(host, buffer, (u32)(i))
#define SET_WORD(buffer, i, w) host_set_word(host, buffer, i, w)
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
#define F32(x) ((f32)(x))
#define I32(x) ((i32)(x))
#define U32(x) ((u32)(x))
/* a b + c, rounded once or twice */
#define MADD(a, b, c) ((a) * (b) + (c))

static inline f32 bits_to_f32(u32 bits)
{
    f32 v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline u32 f32_to_bits(f32 v)
{
    u32 bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

#define FLOOR(x)       floorf(x)
#define CEIL(x)        ceilf(x)
#define ROUND(x)       rintf(x)
#define QUOTIENT(a, b) ((a) / (b))
#define SQRT(x)        sqrtf(x)
/* Of a normal positive number, to 3 units in the last place, or 2^-21 between 0.5 and 2; infinity and NaN stay. */
#define LOG2(x) log2f(x)
#define ABS(x)  fabsf(x)

#endif
