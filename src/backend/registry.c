/* The list of the backends in this build. */
#include "backend/backend.h"

#include <string.h>

extern const sib_backend backend_ref, backend_cpu, backend_gpu_host, backend_gpu_vulkan, backend_gpu_cuda;

static const sib_backend *const backends[] = {
    &backend_ref,      &backend_cpu,
#if !defined(SIBYL_BARE)
    &backend_gpu_host, &backend_gpu_vulkan, &backend_gpu_cuda,
#endif
};
#define BACKENDS (sizeof backends / sizeof *backends)

const sib_backend *const *backend_list(size_t *n)
{
    *n = BACKENDS;
    return backends;
}

const sib_backend *backend_named(const char *name)
{
    for (size_t i = 0; i < BACKENDS; i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}
