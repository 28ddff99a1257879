/* The arguments of all kernels. */
#ifndef GPU_KERNELS_H
#define GPU_KERNELS_H

#include "gpu/kernels/arg.gpu.h"
#include "gpu/kernels/attention.gpu.h"
#include "gpu/kernels/attention_merge.gpu.h"
#include "gpu/kernels/attention_row.gpu.h"
#include "gpu/kernels/cache.gpu.h"
#include "gpu/kernels/chain.gpu.h"
#include "gpu/kernels/conv.gpu.h"
#include "gpu/kernels/gather.gpu.h"
#include "gpu/kernels/layout.gpu.h"
#include "gpu/kernels/matmul.gpu.h"
#include "gpu/kernels/matvec.gpu.h"
#include "gpu/kernels/matvec_bits.gpu.h"
#include "gpu/kernels/matvec_t.gpu.h"
#include "gpu/kernels/mel.gpu.h"
#include "gpu/kernels/mel400.gpu.h"
#include "gpu/kernels/mel_clamp.gpu.h"
#include "gpu/kernels/mel_finish.gpu.h"
#include "gpu/kernels/quantize.gpu.h"
#include "gpu/kernels/reduce.gpu.h"
#include "gpu/kernels/requantize.gpu.h"
#include "gpu/kernels/rotary.gpu.h"
#include "gpu/kernels/rows.gpu.h"
#include "gpu/kernels/running.gpu.h"
#include "gpu/kernels/scatter.gpu.h"
#include "gpu/kernels/sort.gpu.h"
#include "gpu/kernels/window.gpu.h"

#endif
