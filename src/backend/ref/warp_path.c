/* The cheapest path through a matrix of costs. */
#include "backend/ref/elements.h"
#include "backend/ref/kernel.h"

#include <math.h>

/* The step by which a path came to an element. */
enum { STEP_BOTH, STEP_ROW, STEP_COLUMN };

typedef struct warp {
    size_t rows, columns;
    bool single;         /* sums are rounded to float32 */
    double *costs;       /* (columns) of one row */
    double *above, *row; /* (columns + 1) sums along the best path, after the one out of range */
    uint8_t *steps;      /* (rows, columns) */
} warp;

static void sum_row(const warp *w, uint8_t *steps)
{
    w->row[0] = INFINITY;
    for (size_t j = 0; j < w->columns; j++) {
        double both = w->above[j], row = w->above[j + 1], column = w->row[j], sum = column;
        steps[j] = STEP_COLUMN;
        if (both < row && both < column) {
            steps[j] = STEP_BOTH;
            sum = both;
        } else if (row < both && row < column) {
            steps[j] = STEP_ROW;
            sum = row;
        }
        sum += w->costs[j];
        w->row[j + 1] = w->single ? (double)(float)sum : sum;
    }
}

/* Walks from the last element back; writes row and column of the n elements that it finds to out (2, n) in reverse,
   where out is not NULL. Returns n. */
static size_t walk_back(const warp *w, size_t n, int32_t *out)
{
    size_t i = w->rows, j = w->columns, count = 0;
    while (i && j) {
        uint8_t came = w->steps[(i - 1) * w->columns + j - 1];
        count++;
        if (out) {
            out[n - count] = (int32_t)(i - 1);
            out[2 * n - count] = (int32_t)(j - 1);
        }
        i -= came != STEP_COLUMN;
        j -= came != STEP_ROW;
    }
    return count;
}

static sib_code find_path(const ref_call *c, warp *w)
{
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = NULL;
    sib_code code = SIB_OK;
    for (size_t j = 0; j <= w->columns; j++)
        w->above[j] = j ? INFINITY : 0;
    for (size_t i = 0; i < w->rows && code == SIB_OK; i++) {
        ref_load_doubles(a->dtype, a->data, i * w->columns, w->columns, w->costs);
        sum_row(w, w->steps + i * w->columns);
        double *swapped = w->above;
        w->above = w->row;
        w->row = swapped;
        code = ref_cancelled(c);
    }
    size_t n = code == SIB_OK ? walk_back(w, 0, NULL) : 0;
    if (code == SIB_OK)
        code = ref_make(c, 0, SIB_I32, 2, (int64_t[]){2, (int64_t)n}, &out);
    if (out)
        walk_back(w, n, (int32_t *)out->data);
    return code;
}

sib_code ref_warp_path(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0);
    warp w = {.single = a->dtype == SIB_F32};
    size_t count;
    if (a->rank != 2 || (a->dtype != SIB_F32 && a->dtype != SIB_F64))
        return ref_fail(c, SIB_ERR_VALUE, "expected a matrix of float32 or float64");
    if (a->dims[0] > INT32_MAX || a->dims[1] > INT32_MAX)
        return ref_fail(c, SIB_ERR_SIZE, "a matrix of %lld x %lld is too large", (long long)a->dims[0],
                        (long long)a->dims[1]);
    w.rows = (size_t)a->dims[0];
    w.columns = (size_t)a->dims[1];
    if (!size_mul(w.rows, w.columns, &count))
        return ref_no_memory(c, SIZE_MAX);
    w.costs = mem_alloc(w.columns + 1, sizeof *w.costs);
    w.above = mem_alloc(w.columns + 1, sizeof *w.above);
    w.row = mem_alloc(w.columns + 1, sizeof *w.row);
    w.steps = mem_alloc(count + 1, 1);
    bool made = w.costs && w.above && w.row && w.steps;
    sib_code code = made ? find_path(c, &w) : ref_no_memory(c, count);
    mem_free(w.costs);
    mem_free(w.above);
    mem_free(w.row);
    mem_free(w.steps);
    return code;
}
