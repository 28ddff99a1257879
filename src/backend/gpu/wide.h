/* Copies of float64 elements, which are float32 on a device. */
#ifndef GPU_WIDE_H
#define GPU_WIDE_H

#include "gpu/device.h"

/* Copies to.bytes / 4 numbers. Errors: those of the device. */
sib_code gpu_upload_wide(gpu_device *d, gpu_range to, const void *from, sib_error *err);
sib_code gpu_download_wide(gpu_device *d, gpu_range from, void *to, sib_error *err);

#endif
