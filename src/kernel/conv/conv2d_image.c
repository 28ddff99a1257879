/* Copies the image of an item as phases, with its border; conv2d_plan.h defines these. */
#include "base/size.h"
#include "kernel/conv/conv2d_plan.h"

/* A row of the image from its element `at` on: as it is, or as floats. */
typedef struct image_row {
    const char *elements; /* NULL for a row out of range */
    sib_dtype dtype;
    size_t at;
} image_row;

/* Elements of other dtypes are converted once for all phases of a stride. column: of the padded image, at which the
   first phase begins; line: (p->line_floats). */
static image_row as_floats(const conv2d_call *call, image_row row, size_t column, float *line)
{
    const conv2d_plan *p = call->plan;
    const conv2d_axis *a = &p->s.axis[2];
    size_t begin = size_max(column, a->before), end = size_min(column + p->line_floats, a->before + a->in);
    if (!row.elements || !p->line_floats || begin >= end)
        return row;
    row.at = begin - a->before;
    conv2d_take(p, row.dtype, row.elements + row.at * conv2d_element(row.dtype), call->x_zero, 1, end - begin,
                line);
    row.elements = (const char *)line;
    row.dtype = SIB_F32;
    return row;
}

/* Columns of one phase of a row of the image: padding, every step-th element, padding. first: column of the padded
   image at which the phase begins. */
static void fill_row(const conv2d_call *call, image_row row, size_t first, float *dst)
{
    const conv2d_plan *p = call->plan;
    const conv2d_axis *a = &p->s.axis[2];
    size_t n = p->pitch, step = p->step[2], begin = 0, end = 0;
    if (row.elements && first < a->before + a->in) {
        begin = first >= a->before ? 0 : size_min(n, size_ceil_div(a->before - first, step));
        end = size_max(begin, size_min(n, size_ceil_div(a->before + a->in - first, step)));
    }
    if (begin)
        conv2d_pad(p, dst, begin);
    if (end > begin)
        conv2d_take(p, row.dtype,
                    row.elements + (first + begin * step - a->before - row.at) * conv2d_element(row.dtype),
                    call->x_zero, step, end - begin, dst + begin);
    if (n > end)
        conv2d_pad(p, dst + end, n - end);
}

/* Rows of a slice of a channel as they are, with zeros around them. */
static void copy_plane(const conv2d_call *call, const conv2d_item *at, size_t rows, const float *plane,
                       float *dst)
{
    const conv2d_plan *p = call->plan;
    const conv2d_axis *h = &p->s.axis[1], *w = &p->s.axis[2];
    /* of the padded image: the slice, and the elements in it */
    size_t row0 = at->row0 * h->stride, column0 = at->column0 * w->stride;
    size_t top = size_max(row0, h->before), left = size_max(column0, w->before);
    size_t bottom = size_min(row0 + rows, h->before + h->in);
    size_t right = size_min(column0 + p->pitch, w->before + w->in);
    conv2d_border border = {.all = rows * p->pitch,
                            .first = (top - row0) * p->pitch + left - column0,
                            .pitch = p->pitch,
                            .x_row = w->in};
    if (plane && bottom > top && right > left) {
        border.rows = bottom - top;
        border.n = right - left;
        plane += (top - h->before) * w->in + left - w->before;
    }
    p->kernels->surround(&border, plane, dst);
}

/* One slice of a channel: all phases of rows and columns. plane: NULL for zeros; line: (p->line_floats). */
static void fill_plane(const conv2d_call *call, const conv2d_item *at, const char *plane, float *line,
                       float *dst)
{
    const conv2d_plan *p = call->plan;
    const conv2d_axis *a = p->s.axis;
    size_t rows = p->phase_rows - (p->rows - at->rows) * (a[1].stride / p->step[1]);
    if (p->step[1] == 1 && p->step[2] == 1 && p->s.x == SIB_F32 && p->s.kind != CONV2D_LARGEST) {
        copy_plane(call, at, rows, (const float *)(const void *)plane, dst);
        return;
    }
    for (size_t i = 0; i < p->phases[1]; i++)
        for (size_t r = 0; r < rows; r++) {
            size_t padded = at->row0 * a[1].stride + r * p->step[1] + i;
            bool inside = plane && padded >= a[1].before && padded < a[1].before + a[1].in;
            image_row row = {.dtype = p->s.x};
            if (inside)
                row.elements = plane + (padded - a[1].before) * a[2].in * conv2d_element(p->s.x);
            row = as_floats(call, row, at->column0 * a[2].stride, line);
            for (size_t j = 0; j < p->phases[2]; j++)
                fill_row(call, row, at->column0 * a[2].stride + j,
                         dst + (i * p->phases[2] + j) * p->phase_floats + r * p->pitch);
        }
}

void conv2d_fill(const conv2d_call *call, const conv2d_item *at, const char *x, size_t c0, size_t c1,
                 float *dst)
{
    const conv2d_plan *p = call->plan;
    const conv2d_axis *a = p->s.axis;
    size_t element = conv2d_element(p->s.x);
    size_t slice = p->phases[1] * p->phases[2] * p->phase_floats;
    float *line = dst + (p->image_floats - p->line_floats);
    x += c0 * p->in_plane * element;
    for (size_t c = c0; c < c1; c++, x += p->in_plane * element)
        for (size_t i = 0; i < a[0].kernel; i++, dst += slice) {
            size_t padded = at->place * a[0].stride + i * a[0].dilation;
            bool inside = padded >= a[0].before && padded < a[0].before + a[0].in;
            fill_plane(call, at, inside ? x + (padded - a[0].before) * a[1].in * a[2].in * element : NULL,
                       line, dst);
        }
}
