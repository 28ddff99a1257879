/* A device under test, and buffers of 32-bit words on it. */
#ifndef TESTS_GPU_RIG_H
#define TESTS_GPU_RIG_H

#include "check.h"
#include "gpu/device.h"
#include "gpu/kernels.h"

#include <math.h>
#include <sibyl/tensor.h>

static gpu_device *rig;

/* Opens the driver that SIBYL_TEST_GPU names, or host. Where that has no device here, the program is skipped.
   */
static inline int rig_open(void)
{
    const char *driver = getenv("SIBYL_TEST_GPU");
    sib_error err = SIB_ERROR_INIT;
    if (gpu_open(driver ? driver : "host", &rig, &err) == SIB_OK)
        return 0;
    fprintf(stderr, "%s\n", err.message);
    exit(77);
}

static inline int rig_close(void)
{
    gpu_close(&rig);
    return 0;
}

/* A buffer with n words; words may be NULL. */
static inline gpu_range rig_buffer(size_t n, const void *words)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_range r = {.bytes = 4 * n};
    CHECK_OK(gpu_alloc(rig, r.bytes, &r.buffer, &err), err);
    if (words)
        CHECK_OK(gpu_upload(rig, r, words, &err), err);
    return r;
}

static inline void rig_launch(gpu_kernel kernel, size_t n, const gpu_range *ranges, const void *args,
                              uint32_t x, uint32_t y, uint32_t z)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(gpu_launch(rig, kernel, n, ranges, args, (const uint32_t[]){x, y, z}, &err), err);
}

static inline void rig_read(gpu_range r, void *words)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(gpu_download(rig, r, words, &err), err);
}

static inline void rig_free(size_t n, gpu_range *ranges)
{
    for (size_t i = 0; i < n; i++)
        gpu_free(rig, &ranges[i].buffer);
}

/* A float in [-1, 1) from a counter. */
static inline float rig_float(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(*seed >> 8) / 8388608.0f - 1;
}

#endif
