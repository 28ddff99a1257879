/* The headers of the families in families.def. */
#ifndef KERNEL_FAMILIES_H
#define KERNEL_FAMILIES_H

#include "kernel/attention.h"
#include "kernel/bytes.h"
#include "kernel/chain.h"
#include "kernel/conv2d.h"
#include "kernel/conv2d_winograd.h"
#include "kernel/gemm.h"
#include "kernel/gemm_int.h"
#include "kernel/gemm_wide.h"
#include "kernel/layout.h"
#include "kernel/quantize.h"
#include "kernel/recurrent.h"
#include "kernel/resize.h"
#include "kernel/rows.h"

#endif
