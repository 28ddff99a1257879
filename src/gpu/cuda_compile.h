/* The kernels' texts compiled for a device of CUDA. */
#ifndef GPU_CUDA_COMPILE_H
#define GPU_CUDA_COMPILE_H

#include "gpu/cuda_open.h"
#include "gpu/device.h"

/* What a module is loaded from: a cubin, or PTX with its final 0. Owned: mem_free(image.bytes). */
typedef struct cuda_image {
    char *bytes;
    size_t n;
} cuda_image;

/* Compiles a kernel for devices of capability `target`, 90 for 9.0: a cubin where the compiler knows them, else
   PTX of the newest that it knows, for libcuda to compile. log: receives what the compiler says, with the
   kernel's registers and memory, owned by the caller, mem_free; NULL: nobody asks. Errors: SIB_ERR_UNSUPPORTED,
   which quotes the compiler; SIB_ERR_MEMORY. */
sib_code cuda_compile(const nvrtc *n, gpu_kernel kernel, int target, cuda_image *out, char **log,
                      sib_error *err);
/* A number that changes with the kernel's text and the compiler's options. */
uint64_t cuda_text_hash(gpu_kernel kernel);

#endif
