/* Chooses the instructions for products of bytes that this machine has. */
#include "kernel/conv/bytes_fill.h"
#include "kernel/gemm/gemm_int_fill.h"
#include "kernel/kernel.h"

#include <cpuid.h>

/* AVX-VNNI: leaf 7, subleaf 1, bit 4 of eax. */
static bool has_avx_vnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

void gemm_int_init_avx2(gemm_int_kernels *k)
{
    (has_avx_vnni() ? gemm_int_fill_vnni256 : gemm_int_fill_avx2)(k);
}

void gemm_int_init_avx512(gemm_int_kernels *k)
{
    (__builtin_cpu_supports("avx512vnni") ? gemm_int_fill_vnni512 : gemm_int_fill_avx512)(k);
}

void bytes_init_avx2(bytes_kernels *k)
{
    (has_avx_vnni() ? bytes_fill_vnni256 : bytes_fill_avx2)(k);
}

void bytes_init_avx512(bytes_kernels *k)
{
    (__builtin_cpu_supports("avx512vnni") ? bytes_fill_vnni512 : bytes_fill_avx512)(k);
}
