/* Every kernel compiled by NVIDIA's compiler for its devices: nothing is spilled from registers to memory, and only
   kernels that index arrays of a thread by variables have any such memory. */
#include "check.h"
#include "gpu/cuda_compile.h"

#include "base/alloc.h"

#include <dlfcn.h>
#include <glob.h>

static nvrtc compiler;

/* The compiler of `make setup FOR=gpu`, or the system's. */
static int find_compiler(void)
{
    static const char *const venv =
        "build/venv/lib/python3*/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12";
    sib_error err = SIB_ERROR_INIT;
    char pattern[1000];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/%s", getenv("SIBYL_SOURCE") ? getenv("SIBYL_SOURCE") : ".", venv);
    if (!glob(pattern, 0, NULL, &found))
        dlopen(found.gl_pathv[0], RTLD_NOW); /* which is then the library of that name */
    globfree(&found);
    if (nvrtc_open(&compiler, &err) == SIB_OK)
        return 0;
    fprintf(stderr, "%s\n", err.message);
    exit(77);
}
TEST_FIXTURE(find_compiler, NULL)

/* Bytes of a thread's arrays in memory, and its registers, at most. */
typedef struct limit {
    gpu_kernel kernel;
    unsigned bytes, registers;
} limit;
static const limit limits[] = {
    {GPU_attention, 0, 168},     /* three groups a multiprocessor */
    {GPU_attention_row, 0, 168}, /* one, whose loads are all under way at once */
    {GPU_chain, 384, 128},       /* registers of the program */
    {GPU_conv, 128, 128},        /* of the program that follows */
    {GPU_layout, 32, 128},       /* places */
    {GPU_matmul, 128, 128},      {GPU_matvec, 64, 128}, {GPU_matvec_bits, 64, 128}, {GPU_matvec_t, 64, 128},
};

static limit allowed(gpu_kernel kernel)
{
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].kernel == kernel)
            return limits[i];
    return (limit){kernel, 0, 128};
}

static void check_kernel(gpu_kernel kernel, int target)
{
    sib_error err = SIB_ERROR_INIT;
    cuda_image image;
    char *log;
    unsigned stack, stores, loads, registers;
    CHECK_OK(cuda_compile(&compiler, kernel, target, &image, &log, &err), err);
    assert_true(image.n > 4 && !memcmp(image.bytes, "\177ELF", 4)); /* a cubin, for this very device */
    const char *memory = strstr(log, "bytes stack frame"), *used = strstr(log, "Used ");
    assert_non_null(memory);
    assert_non_null(used);
    while (memory > log && memory[-1] != '\n' && memory[-1] != '.')
        memory--;
    assert_int_equal(sscanf(memory, " %u bytes stack frame, %u bytes spill stores, %u bytes spill loads",
                            &stack, &stores, &loads),
                     3);
    assert_int_equal(sscanf(used, "Used %u registers", &registers), 1);
    if (stores || loads || stack > allowed(kernel).bytes || registers > allowed(kernel).registers)
        fail_msg("kernel %s for sm_%d: %u registers, %u bytes of memory (%u allowed), of which %u and %u are "
                 "spilled",
                 gpu_kernel_name(kernel), target, registers, stack, allowed(kernel).bytes, stores, loads);
    mem_free(log);
    mem_free(image.bytes);
}

TEST(test_kernels)
{
    static const int targets[] = {70, 80, 90, 100};
    for (size_t t = 0; t < sizeof targets / sizeof *targets; t++)
        for (unsigned k = 0; k < GPU_KERNEL_COUNT; k++)
            check_kernel((gpu_kernel)k, targets[t]);
}

/* A device that is newer than the compiler gets PTX, which its driver compiles. */
TEST(test_newer_device)
{
    sib_error err = SIB_ERROR_INIT;
    cuda_image image;
    CHECK_OK(cuda_compile(&compiler, GPU_reduce, 999, &image, NULL, &err), err);
    assert_non_null(strstr(image.bytes, ".entry gpu_reduce"));
    mem_free(image.bytes);
    CHECK_FAILS(cuda_compile(&compiler, GPU_reduce, 10, &image, NULL, &err), SIB_ERR_UNSUPPORTED, err,
                "compiles nothing for sm_10");
}
