#include "gpu/cuda_open.h"

#include "base/error.h"

#include <dlfcn.h>
#include <string.h>

/* Threads of these libraries may outlive their last use: they stay loaded. */
#define HOW (RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)

/* Looks a function up; returns false where the library has none of that name. */
static bool find(void *library, const char *name, void *function)
{
    void *address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
    return address != NULL;
}

sib_code cuda_check(const cuda_driver *c, cuda_result r, const char *what, sib_error *err)
{
    const char *text = NULL;
    if (r == CUDA_OK)
        return SIB_OK;
    if (r == CUDA_OUT_OF_MEMORY)
        return err_set(err, SIB_ERR_MEMORY, "CUDA: %s: the device is out of memory", what);
    if (c->error_text(r, &text) != CUDA_OK || !text)
        text = "unknown";
    return err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: %s: error %d, %s", what, r, text);
}

sib_code cuda_open(cuda_driver *c, sib_error *err)
{
    *c = (cuda_driver){0};
    c->library = dlopen("libcuda.so.1", HOW);
    if (!c->library)
        return err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: there is no driver (libcuda.so.1)");
#define X(name, function, parameters)                                                                        \
    if (!find(c->library, #function, &c->name))                                                              \
        return err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: libcuda.so.1 has no " #function);
    CUDA_FUNCTIONS(X)
#undef X
    const cuda_result r = c->init(0);
    if (r == CUDA_NO_DEVICE)
        return err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: there is no device");
    return cuda_check(c, r, "the driver", err);
}

void cuda_close(cuda_driver *c)
{
    if (c->library)
        dlclose(c->library);
    *c = (cuda_driver){0};
}

void nvrtc_close(nvrtc *n)
{
    if (n->library)
        dlclose(n->library);
    *n = (nvrtc){0};
}

static sib_code find_all(nvrtc *n, sib_error *err)
{
#define X(name, function, parameters)                                                                        \
    if (!find(n->library, #function, &n->name))                                                              \
        return err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: libnvrtc has no " #function);
    NVRTC_FUNCTIONS(X)
#undef X
    if (n->version(&n->major, &n->minor))
        return err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: libnvrtc does not give its version");
    return SIB_OK;
}

sib_code nvrtc_open(nvrtc *n, sib_error *err)
{
    static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2",
                                        "libnvrtc.so"};
    *n = (nvrtc){0};
    for (size_t i = 0; i < sizeof names / sizeof *names && !n->library; i++)
        n->library = dlopen(names[i], HOW);
    if (!n->library)
        return err_set(
            err, SIB_ERR_UNSUPPORTED,
            "CUDA: there is no compiler of kernels (libnvrtc.so.12): it comes with the CUDA toolkit, or "
            "in the Python package nvidia-cuda-nvrtc-cu12, whose folder LD_LIBRARY_PATH then names");
    const sib_code code = find_all(n, err);
    if (code != SIB_OK)
        nvrtc_close(n);
    return code;
}
