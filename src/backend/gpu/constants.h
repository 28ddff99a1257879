/* Constants on devices, each uploaded once and shared by the sessions of a model. */
#ifndef GPU_CONSTANTS_H
#define GPU_CONSTANTS_H

#include "backend/gpu/gpu.h"

typedef struct gpu_constants gpu_constants;

/* Errors: SIB_ERR_MEMORY. */
sib_code gpu_constants_create(gpu_device *d, gpu_constants **out, sib_error *err);
void gpu_constants_free(gpu_constants **c);
/* The elements of the constant v, which is lasting, on the device, borrowed. Errors: SIB_ERR_MEMORY, those of the
   device. */
sib_code gpu_constants_get(gpu_constants *c, const value *v, gpu_range *out, sib_error *err);

#endif
