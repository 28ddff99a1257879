/* Determinants of the last two axes. */
#include "backend/ref/elements.h"
#include "backend/ref/kernel.h"

#include <math.h>

static void swap_rows(double *a, double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double kept = a[i];
        a[i] = b[i];
        b[i] = kept;
    }
}

/* Determinant of m (n, n), which is overwritten, by Gaussian elimination with partial pivoting. */
static sib_code determinant(const ref_call *c, double *m, size_t n, double *out)
{
    double product = 1;
    sib_code code = SIB_OK;
    for (size_t k = 0; k < n && code == SIB_OK; k++) {
        if (k % 16 == 0)
            code = ref_cancelled(c);
        size_t pivot = k;
        for (size_t i = k + 1; i < n; i++)
            if (fabs(m[i * n + k]) > fabs(m[pivot * n + k]))
                pivot = i;
        if (pivot != k) {
            swap_rows(m + pivot * n, m + k * n, n);
            product = -product;
        }
        product *= m[k * n + k];
        if (m[k * n + k] == 0)
            break;
        for (size_t i = k + 1; i < n; i++) {
            double factor = m[i * n + k] / m[k * n + k];
            for (size_t j = k + 1; j < n; j++)
                m[i * n + j] -= factor * m[k * n + j];
        }
    }
    *out = product;
    return code;
}

sib_code ref_determinant(const ref_call *c)
{
    const sib_tensor *a = ref_in(c, 0);
    sib_tensor *out = ref_out(c, 0);
    size_t n = (size_t)a->dims[a->rank - 1];
    if (!out || out->count == 0)
        return SIB_OK;
    if (ref_path_of(a->dtype) != REF_PATH_DOUBLE)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "it is not defined for %s", sib_dtype_name(a->dtype));
    double *m = mem_alloc(n * n, sizeof *m);
    if (!m)
        return ref_no_memory(c, n * n * sizeof *m);
    sib_code code = SIB_OK;
    for (uint64_t i = 0; i < out->count && code == SIB_OK; i++) {
        ref_block result;
        ref_load_doubles(a->dtype, a->data, i * n * n, n * n, m);
        code = determinant(c, m, n, &result.f[0]);
        ref_store(REF_PATH_DOUBLE, &result, out->dtype, out->data, i, 1);
    }
    mem_free(m);
    return code;
}
