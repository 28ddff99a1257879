/* Image resampling, for callers: to another size (resize_plan.h), or at given positions (sample.h). */
#ifndef KERNEL_RESIZE_H
#define KERNEL_RESIZE_H

#include "kernel/resize/resize_plan.h"
#include "kernel/resize/sample.h"

#endif
