/* Digests as the page reads them. */

#include "server/values/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

json_t *float_json(float value)
{
    char text[32];
    if (!isfinite(value))
        return json_null();
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            break;
    }
    return json_real(strtod(text, NULL));
}

json_t *real_json(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *histogram_json(const sib_digest *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < SIB_DIGEST_BINS; i++)
        json_array_append_new(list, json_integer((json_int_t)d->histogram[i]));
    return list;
}

/* Row by row; null for a cell without finite elements. */
static json_t *cells_json(const sib_digest *d)
{
    json_t *list = json_array();
    for (uint32_t r = 0; r < d->rows; r++)
        for (uint32_t c = 0; c < d->columns; c++)
            json_array_append_new(list, real_json((double)d->cells[r][c]));
    return list;
}

/* Cells [row, column] with elements that are not finite. */
static json_t *not_finite_json(const sib_digest *d)
{
    json_t *list = json_array();
    for (uint32_t r = 0; r < d->rows; r++)
        for (uint32_t c = 0; c < d->columns; c++)
            if (d->not_finite[r] >> c & 1)
                json_array_append_new(list, json_pack("[i, i]", (int)r, (int)c));
    return list;
}

json_t *digest_json(const sib_digest *d, bool full)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o*, s:I, s:i, s:i, s:o*, s:o*}",
                     "count", (json_int_t)d->count, "nan", (json_int_t)d->n_nan, "plus_inf",
                     (json_int_t)d->n_plus_inf, "minus_inf", (json_int_t)d->n_minus_inf, "zero",
                     (json_int_t)d->n_zero, "min", real_json(d->min), "max", real_json(d->max), "mean",
                     real_json(d->mean), "std", real_json(d->std), "histogram",
                     full ? histogram_json(d) : NULL, "n_histogram", (json_int_t)d->n_histogram, "rows",
                     (int)d->rows, "columns", (int)d->columns, "cells", full ? cells_json(d) : NULL,
                     "not_finite", full ? not_finite_json(d) : NULL);
}
