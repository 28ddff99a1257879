/* Functions that fill the table of gemm_int.h with one kind of instruction each, for the levels and for
   tests. */
#ifndef KERNEL_GEMM_INT_FILL_H
#define KERNEL_GEMM_INT_FILL_H

#include "kernel/gemm/gemm_int.h"

void gemm_int_init_c(gemm_int_kernels *k);
void gemm_int_fill_avx2(gemm_int_kernels *k);    /* multiplies 16-bit numbers and adds pairs */
void gemm_int_fill_avx512(gemm_int_kernels *k);  /* the same */
void gemm_int_fill_vnni256(gemm_int_kernels *k); /* AVX-VNNI: four bytes per instruction */
void gemm_int_fill_vnni512(gemm_int_kernels *k); /* AVX512-VNNI */

#endif
