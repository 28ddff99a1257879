/* What a device does at most, measured. */
#ifndef GPU_MEASURE_H
#define GPU_MEASURE_H

#include "gpu/device.h"

#include <sibyl/session.h>

/* Takes about a second on a device that is fast. Errors: those of the device. */
sib_code gpu_measure(gpu_device *d, sib_device_rates *out, sib_error *err);

#endif
