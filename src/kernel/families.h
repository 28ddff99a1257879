/* The headers of the families in families.def. */
#ifndef KERNEL_FAMILIES_H
#define KERNEL_FAMILIES_H

#include "kernel/attention/attention.h"
#include "kernel/chain/chain_entries.h"
#include "kernel/conv/bytes.h"
#include "kernel/conv/conv2d_entries.h"
#include "kernel/conv/conv2d_winograd_entries.h"
#include "kernel/digest/digest.h"
#include "kernel/gemm/gemm.h"
#include "kernel/gemm/gemm_int.h"
#include "kernel/gemm/gemm_wide.h"
#include "kernel/layout/layout_entries.h"
#include "kernel/quantize/quantize.h"
#include "kernel/recurrent/recurrent.h"
#include "kernel/resize/resize_entries.h"
#include "kernel/rows/rows.h"

#endif
