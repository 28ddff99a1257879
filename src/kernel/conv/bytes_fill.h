/* Functions that fill the table of bytes.h with one kind of instruction each, for the levels and for
   tests. */
#ifndef KERNEL_BYTES_FILL_H
#define KERNEL_BYTES_FILL_H

#include "kernel/conv/bytes.h"

void bytes_init_c(bytes_kernels *k);
void bytes_fill_avx2(bytes_kernels *k);    /* multiplies 16-bit numbers and adds pairs */
void bytes_fill_avx512(bytes_kernels *k);  /* the same */
void bytes_fill_vnni256(bytes_kernels *k); /* AVX-VNNI: four bytes per instruction */
void bytes_fill_vnni512(bytes_kernels *k); /* AVX512-VNNI */

#endif
