/* Geometry of convolutions and pools, from a node's attributes and dims. */
#ifndef CPU_CONV_H
#define CPU_CONV_H

#include "backend/cpu/cpu.h"
#include "kernel/conv/conv.h"

/* Windows over the spatial axes of x [N, C, in...]: the last n of `axis`; those before them are neutral. */
typedef struct cpu_windows {
    size_t batch, channels; /* of x */
    size_t n;
    conv2d_axis axis[CONV2D_AXES];
} cpu_windows;

/* Reads the geometry of a node with input x and output y: strides, dilations, pads or auto_pad. kernel: (rank
   - 2) sizes, or NULL for kernel_shape. Returns false where dims are not known, an axis is empty, or there
   are more than CONV2D_AXES spatial axes. */
bool cpu_windows_read(const node_view *n, const spatial_spec *spec, const value *x, const value *y,
                      const int64_t *kernel, cpu_windows *out);

/* Where kernels are chosen by measuring: sets shape->method to the fastest way to compute a convolution of floats.
   Costs decide otherwise, and where they see one way far ahead. constant: of the weights. Errors: SIB_ERR_MEMORY,
   SIB_ERR_SIZE, SIB_ERR_IO (of the file). */
sib_code cpu_conv_tune(const cpu_self *self, bool constant, conv2d_shape *shape, sib_error *err);

#endif
