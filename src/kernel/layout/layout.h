/* Moving elements, for callers: boxes copied and transposed (layout_box.h), borders (layout_border.h),
   constant borders (layout_frame.h), elements gathered and scattered by index (gather.h, scatter.h). */
#ifndef KERNEL_LAYOUT_H
#define KERNEL_LAYOUT_H

#include "kernel/layout/gather.h"
#include "kernel/layout/layout_border.h"
#include "kernel/layout/layout_box.h"
#include "kernel/layout/layout_frame.h"
#include "kernel/layout/scatter.h"

#endif
