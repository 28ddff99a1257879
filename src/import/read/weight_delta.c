#include "import/read/weight_delta.h"

#include "base/size.h"

#include <string.h>

/* Columns whose sums are made at once. */
#define PIECE 512

void weight_delta_add(const weight_delta *d, uint64_t first, size_t n, float *out)
{
    double sum[PIECE];
    for (size_t m; n; n -= m, first += m, out += m) {
        const size_t row = (size_t)(first / d->columns), column = (size_t)(first % d->columns);
        m = size_min(size_min(n, PIECE), d->columns - column);
        memset(sum, 0, m * sizeof *sum);
        for (size_t k = 0; k < d->rank; k++) {
            const double left = d->across ? d->a[k * d->rows + row] : d->b[row * d->rank + k];
            for (size_t i = 0; i < m; i++)
                sum[i] +=
                    left * (d->across ? d->b[(column + i) * d->rank + k] : d->a[k * d->columns + column + i]);
        }
        for (size_t i = 0; i < m; i++)
            out[i] = (float)(out[i] + d->scale * sum[i]);
    }
}
