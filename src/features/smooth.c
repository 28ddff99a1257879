/* 3 x 3 average over (row, column) of finished features. */
#include "base/error.h"
#include "base/size.h"
#include "features/mel_internal.h"

#include <math.h>
#include <string.h>

/* In blocks of columns. */
static void average(bool valid, const float *in, size_t rows, size_t columns, size_t in_stride, float *out,
                    size_t out_stride)
{
    mel_kernel_table kernels;
    mel_kernel_table_init(&kernels, cpu_level_chosen());
    const size_t end = columns - valid;
    for (size_t begin = valid, n; begin < end; begin += n) {
        n = size_min(MEL_AVERAGE_COLUMNS, end - begin);
        float *x = (float *)in + begin, *y = out + begin - valid; /* x is only read */
        kernels.average(&(mel_average){.in = mel_rows_of(x, rows, in_stride),
                                       .rows = rows,
                                       .columns = n,
                                       .left = begin > 0 ? x - 1 : NULL,
                                       .right = begin + n < columns ? x + n : NULL,
                                       .left_stride = in_stride,
                                       .right_stride = in_stride,
                                       .min = -INFINITY,
                                       .valid = valid,
                                       .out = valid ? (mel_rows){.inner = y, .stride = out_stride}
                                                    : mel_rows_of(y, rows, out_stride)});
    }
}

sib_code sib_smooth3x3(sib_smooth mode, const float *in, size_t rows, size_t columns, size_t in_stride,
                       float *out, size_t out_stride, sib_error *err)
{
    size_t lost = mode == SIB_SMOOTH_VALID ? 2 : 0;
    if (mode < SIB_SMOOTH_NONE || mode > SIB_SMOOTH_VALID)
        return err_set(err, SIB_ERR_ARGUMENT, "smooth is %d, expected none, same or valid", (int)mode);
    if (rows <= lost || columns <= lost)
        return err_set(err, SIB_ERR_VALUE, "a 3 x 3 average of %zu x %zu values leaves nothing", rows,
                       columns);
    if (in_stride < columns || out_stride < columns - lost)
        return err_set(err, SIB_ERR_SIZE, "row strides are %zu and %zu, expected at least %zu and %zu",
                       in_stride, out_stride, columns, columns - lost);
    for (size_t r = 0; mode == SIB_SMOOTH_NONE && r < rows; r++)
        memcpy(out + r * out_stride, in + r * in_stride, columns * sizeof *out);
    if (mode != SIB_SMOOTH_NONE)
        average(mode == SIB_SMOOTH_VALID, in, rows, columns, in_stride, out, out_stride);
    return SIB_OK;
}
