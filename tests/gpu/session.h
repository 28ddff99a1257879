/* The backend under test: gpu-host, or the one that SIBYL_TEST_GPU_BACKEND names. */
#ifndef TESTS_GPU_SESSION_H
#define TESTS_GPU_SESSION_H

#include "check.h"
#include "gpu/device.h"

#include <sibyl/base.h>

static inline const char *backend(void)
{
    const char *named = getenv("SIBYL_TEST_GPU_BACKEND");
    return named ? named : "gpu-host";
}

/* Skips the program where there is no such device. */
static inline int find_device(void)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *d = NULL;
    if (strcmp(backend(), "gpu-host") && gpu_open(backend(), &d, &err) != SIB_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(77);
    }
    gpu_close(&d);
    return 0;
}

/* Whether it keeps denormal float32, which Vulkan lets a device leave out (NVIDIA's does). */
static inline bool keeps_denormals(void)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *d = NULL;
    if (strncmp(backend(), "vulkan", 6) != 0)
        return true;
    CHECK_OK(gpu_open(backend(), &d, &err), err);
    const bool kept = strstr(d->features, "keeps denormal float32") != NULL;
    gpu_close(&d);
    return kept;
}

#endif
