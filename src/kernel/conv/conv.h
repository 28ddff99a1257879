/* Convolutions, for callers: of floats (conv2d_plan.h), by Winograd transforms (conv2d_winograd_plan.h), of
   16-bit floats (conv2d_halves.h), of bytes (conv2d_int.h), and transposed (conv_transposed.h). */
#ifndef KERNEL_CONV_H
#define KERNEL_CONV_H

#include "kernel/conv/conv2d_halves.h"
#include "kernel/conv/conv2d_int.h"
#include "kernel/conv/conv2d_plan.h"
#include "kernel/conv/conv2d_time.h"
#include "kernel/conv/conv2d_winograd_plan.h"
#include "kernel/conv/conv_transposed.h"

#endif
