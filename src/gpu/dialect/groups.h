/* All kernels as functions of C, each of which runs a group. */
#ifndef GPU_DIALECT_GROUPS_H
#define GPU_DIALECT_GROUPS_H

#include "gpu/dialect/host.h"

#include "gpu/dialect/types.h"

#include "gpu/dialect/math.h"

/* The kernel `chain` reads registers that its program wrote before, which analysis cannot see. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wanalyzer-use-of-uninitialized-value"
#include "gpu/kernels.h"
#pragma GCC diagnostic pop

#define GPU_KERNEL(name)                                                                                     \
    static void host_run_##name(host_group *g, const void *bytes)                                            \
    {                                                                                                        \
        gpu_##name##_args args;                                                                              \
        memcpy(&args, bytes, sizeof args);                                                                   \
        gpu_##name##_group(g, args);                                                                         \
    }
#include "gpu/kernels.def"
#undef GPU_KERNEL

/* By kernel: its name, the threads of a group, the bytes of its arguments, and what runs a group. */
static const struct {
    const char *name;
    u32 threads;
    size_t args_bytes;
    void (*run)(host_group *g, const void *args);
} host_kernels[] = {
#define GPU_KERNEL(name) {#name, gpu_##name##_threads, sizeof(gpu_##name##_args), host_run_##name},
#include "gpu/kernels.def"
#undef GPU_KERNEL
};

/* Runs all groups of a launch, whose buffers g has, up to the first fault. */
static inline void host_run(host_group *g, unsigned kernel, const u32 groups[3], const void *args)
{
    static _Thread_local u32 phase; /* since this thread's first launch: marks of shared memory stay */
    g->phase = phase;
    for (g->z = 0; g->z < groups[2] && !g->fault; g->z++)
        for (g->y = 0; g->y < groups[1] && !g->fault; g->y++)
            for (g->x = 0; g->x < groups[0] && !g->fault; g->x++) {
                g->first_phase = ++g->phase;
                host_kernels[kernel].run(g, args);
            }
    phase = g->phase;
}

#endif
