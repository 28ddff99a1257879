/* The 3 x 3 average of fixed-point features, in place, in blocks of columns. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "tile/tile_lanes.h"

#include <sibyl/fixed.h>

typedef struct {
    sib_smooth mode;
    size_t rows, columns, stride;
    int16_t *wide; /* (rows, columns), or NULL */
    int8_t *narrow;
} average_job;

static sib_code check(const average_job *j, sib_error *err)
{
    const size_t lost = j->mode == SIB_SMOOTH_VALID ? 2 : 0;
    if (j->mode < SIB_SMOOTH_NONE || j->mode > SIB_SMOOTH_VALID)
        return err_set(err, SIB_ERR_ARGUMENT, "smooth is %d, expected none, same or valid", (int)j->mode);
    if (j->rows <= lost || j->columns <= lost)
        return err_set(err, SIB_ERR_VALUE, "a 3 x 3 average of %zu x %zu values leaves nothing", j->rows,
                       j->columns);
    if (j->stride < j->columns)
        return err_set(err, SIB_ERR_SIZE, "row_stride is %zu, expected at least %zu", j->stride, j->columns);
    return SIB_OK;
}

static sib_code average(const average_job *j, sib_error *err)
{
    sib_code code = check(j, err);
    if (code != SIB_OK || j->mode == SIB_SMOOTH_NONE)
        return code;
    const fixed_averages *f = fixed_averages_for(cpu_level_chosen());
    const bool valid = j->mode == SIB_SMOOTH_VALID;
    const size_t shift = valid ? j->stride + 1 : 0, end = j->columns - valid;
    int16_t *sides =
        mem_alloc(j->rows, 2 * sizeof *sides); /* the column before the block, and its last one */
    if (!sides)
        return err_memory(err, 2 * j->rows * sizeof *sides, "columns");
    int16_t *left = sides, *next = sides + j->rows;
    for (size_t m = 0; valid && m < j->rows; m++)
        left[m] = j->wide ? j->wide[m * j->stride] : j->narrow[m * j->stride];
    for (size_t begin = valid, n; begin < end; begin += n) {
        n = size_min(FIXED_AVERAGE_COLUMNS, end - begin);
        const int16_t *before = begin ? left : NULL;
        const bool right = begin + n < j->columns;
        int16_t *swap = left;
        if (j->wide)
            f->wide(j->wide + begin, j->rows, n, j->stride, before, right, next, valid,
                    j->wide + begin - shift);
        else
            f->narrow(j->narrow + begin, j->rows, n, j->stride, before, right, next, valid,
                      j->narrow + begin - shift);
        left = next;
        next = swap;
    }
    mem_free(sides);
    return SIB_OK;
}

sib_code sib_fixed_smooth_int16(sib_smooth mode, int16_t *features, size_t rows, size_t columns,
                                size_t row_stride, sib_error *err)
{
    return average(&(average_job){mode, rows, columns, row_stride, features, NULL}, err);
}

sib_code sib_fixed_smooth_int8(sib_smooth mode, int8_t *features, size_t rows, size_t columns,
                               size_t row_stride, sib_error *err)
{
    return average(&(average_job){mode, rows, columns, row_stride, NULL, features}, err);
}
