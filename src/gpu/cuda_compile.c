#include "gpu/cuda_compile.h"

#include "base/alloc.h"
#include "base/error.h"
#include "gpu/cuda_cache.h"

#include <stdio.h>
#include <string.h>

#define TARGETS_MAX 128
#define BYTES_MAX   (64 << 20) /* of an image or a log */

/* Products are fused with sums where the text says so (MADD), so that functions of elements give the bits that
   they give elsewhere. */
static const char *const options[] = {"--fmad=false", "--std=c++14", "--diag-suppress=177"};
#define OPTIONS (sizeof options / sizeof *options)

#define GPU_KERNEL(name) extern const char cuda_##name[];
#include "gpu/kernels.def"
#undef GPU_KERNEL

static const char *const texts[] = {
#define GPU_KERNEL(name) cuda_##name,
#include "gpu/kernels.def"
#undef GPU_KERNEL
};

uint64_t cuda_text_hash(gpu_kernel kernel)
{
    uint64_t hash = cuda_cache_hash(CUDA_CACHE_SEED, texts[kernel], strlen(texts[kernel]));
    for (size_t i = 0; i < OPTIONS; i++)
        hash = cuda_cache_hash(hash, options[i], strlen(options[i]) + 1);
    return hash;
}

/* The newest capability that the compiler knows up to `target`; 0: none. */
static int best_target(const nvrtc *n, int target)
{
    int known[TARGETS_MAX], count = 0, best = 0;
    if (n->n_targets(&count) || count < 1 || count > TARGETS_MAX || n->targets(known))
        return 0;
    for (int i = 0; i < count; i++)
        if (known[i] <= target && known[i] > best)
            best = known[i];
    return best;
}

/* One of the program's texts: its size, then itself. Returns NULL where there is none. */
static char *text_of(nvrtc_program program, nvrtc_result (*size_of)(nvrtc_program, size_t *),
                     nvrtc_result (*get)(nvrtc_program, char *), size_t *n)
{
    char *text;
    *n = 0;
    if (size_of(program, n) || !*n || *n > BYTES_MAX)
        return NULL;
    text = mem_calloc(*n + 1, 1);
    if (!text || !get(program, text))
        return text;
    mem_free(text);
    return NULL;
}

/* The compiler's first complaint, for a message. */
static void quote(const char *log, char out[200])
{
    const char *at = log ? strstr(log, "error") : NULL;
    while (at && at > log && at[-1] != '\n')
        at--;
    snprintf(out, 200, "%.*s", at ? (int)strcspn(at, "\n") : 0, at ? at : "");
}

static sib_code compile(const nvrtc *n, nvrtc_program program, gpu_kernel kernel, int target, cuda_image *out,
                        char **log, sib_error *err)
{
    char target_text[64], complaint[200];
    const char *all[OPTIONS + 2] = {target_text};
    const int best = best_target(n, target);
    size_t size;
    if (!best)
        return err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: libnvrtc %d.%d compiles nothing for sm_%d", n->major,
                       n->minor, target);
    snprintf(target_text, sizeof target_text, "--gpu-architecture=%s_%d", best == target ? "sm" : "compute",
             best);
    memcpy(all + 1, options, sizeof options);
    all[OPTIONS + 1] = "--ptxas-options=-v";
    const nvrtc_result r = n->compile(program, (int)OPTIONS + 1 + (log != NULL), all);
    char *says = r || log ? text_of(program, n->log_bytes, n->log, &size) : NULL;
    quote(says, complaint);
    if (log)
        *log = says;
    else
        mem_free(says);
    if (r)
        return err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: kernel %s for %s: error %d of libnvrtc %d.%d: %s",
                       gpu_kernel_name(kernel), target_text, r, n->major, n->minor, complaint);
    out->bytes = best == target ? text_of(program, n->cubin_bytes, n->cubin, &out->n)
                                : text_of(program, n->ptx_bytes, n->ptx, &out->n);
    return out->bytes ? SIB_OK : err_memory(err, out->n, "a kernel");
}

sib_code cuda_compile(const nvrtc *n, gpu_kernel kernel, int target, cuda_image *out, char **log,
                      sib_error *err)
{
    nvrtc_program program = NULL;
    const char *name = gpu_kernel_name(kernel);
    *out = (cuda_image){0};
    if (log)
        *log = NULL;
    const nvrtc_result r = n->create(&program, texts[kernel], name, 0, NULL, NULL);
    if (r)
        return err_set(err, SIB_ERR_UNSUPPORTED, "CUDA: kernel %s: error %d of libnvrtc", name, r);
    const sib_code code = compile(n, program, kernel, target, out, log, err);
    n->destroy(&program);
    return code;
}
