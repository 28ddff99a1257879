#include "features/smooth.h"

#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <string.h>

/* Columns summed at once; a tile and its two neighbours stay in the L1 cache. */
#define TILE 1024

/* sums[t] = sum over rows begin .. end - 1 of column first + t, each value raised to at least `min`; NaN
   stays NaN. */
static void column_sums(const float *in, size_t in_stride, size_t begin, size_t end, size_t first,
                        size_t count, float min, float *sums)
{
    memset(sums, 0, count * sizeof *sums);
    for (size_t row = begin; row < end; row++) {
        const float *p = in + row * in_stride + first;
        for (size_t t = 0; t < count; t++)
            sums[t] += p[t] < min ? min : p[t];
    }
}

void smooth_row(sib_smooth mode, const float *in, size_t rows, size_t columns, size_t in_stride, float min,
                size_t r, size_t first, size_t count, float *out)
{
    /* Result column c is the average over those of the input columns c - before .. c + after that exist;
       likewise rows. */
    const size_t before = mode == SIB_SMOOTH_SAME, after = mode == SIB_SMOOTH_SAME ? 1 : 2;
    const size_t top = r >= before ? r - before : 0, bottom = size_min(r + after + 1, rows);
    float sums[TILE + 2];
    for (size_t begin = first; begin < first + count; begin += TILE) {
        const size_t end = size_min(begin + TILE, first + count);
        const size_t left = begin >= before ? begin - before : 0, right = size_min(end + after, columns);
        column_sums(in, in_stride, top, bottom, left, right - left, min, sums);
        for (size_t c = begin; c < end; c++) {
            const size_t lo = c >= before ? c - before : 0, hi = size_min(c + after + 1, columns);
            float sum = 0;
            for (size_t t = lo; t < hi; t++)
                sum += sums[t - left];
            out[c - first] = sum / (float)((bottom - top) * (hi - lo));
        }
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
    for (size_t r = 0; r < rows - lost; r++) {
        if (mode == SIB_SMOOTH_NONE)
            memcpy(out + r * out_stride, in + r * in_stride, columns * sizeof *out);
        else
            smooth_row(mode, in, rows, columns, in_stride, -INFINITY, r, 0, columns - lost,
                       out + r * out_stride);
    }
    return SIB_OK;
}
