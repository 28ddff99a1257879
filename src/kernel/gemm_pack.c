/* B in the order in which the tiles read it. */
#include "base/alloc.h"
#include "base/error.h"
#include "kernel/gemm_plan.h"

void gemm_pack_panels(const gemm_kernels *t, const float *b, size_t row, size_t column, size_t k, size_t n,
                      size_t first, size_t count, float *dst)
{
    for (size_t i = first; i < first + count; i++, dst += k * t->nr) {
        size_t j = i * t->nr;
        t->pack(b + j * column, row, column, k, size_min(t->nr, n - j), gemm_width(t, n, j), dst);
    }
}

sib_code gemm_packed_make(size_t k, size_t n, size_t columns, size_t count, size_t element, size_t extra,
                          gemm_packed **out, size_t *bytes, sib_error *err)
{
    size_t one, all;
    *out = NULL;
    if (!size_mul(k, columns, &one) || !size_mul(one, count, &all) || !size_mul(all, element, &all) ||
        !size_mul(extra, sizeof(float), &extra) || !size_add(all, extra, &all) ||
        !size_add(all, sizeof(gemm_packed), bytes))
        return err_set(err, SIB_ERR_SIZE, "gemm: %zu matrices of %zu x %zu are more than memory holds", count,
                       k, n);
    gemm_packed *p = mem_alloc(*bytes, 1);
    if (!p)
        return err_memory(err, *bytes, "packed weights");
    *p = (gemm_packed){.k = k, .n = n, .stride = one};
    *out = p;
    return SIB_OK;
}

sib_code gemm_pack(const float *b, size_t row, size_t column, size_t k, size_t n, size_t count,
                   const size_t *at, gemm_packed **out, size_t *bytes, sib_error *err)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    bool narrow = gemm_is_narrow(t, n);
    sib_code code =
        gemm_packed_make(k, n, narrow ? n : gemm_columns(t, n), count, sizeof(float), 0, out, bytes, err);
    gemm_packed *p = *out;
    if (code != SIB_OK)
        return code;
    p->form = narrow ? GEMM_COLUMNS : GEMM_PANELS;
    for (size_t i = 0; i < count; i++) {
        const float *from = b + (at ? at[i] : 0);
        if (narrow)
            t->pack(from, column, row, n, k, k, p->data + i * p->stride);
        else
            gemm_pack_panels(t, from, row, column, k, n, 0, size_ceil_div(n, t->nr), p->data + i * p->stride);
    }
    return SIB_OK;
}
