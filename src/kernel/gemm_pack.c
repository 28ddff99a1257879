/* B in the order in which the tiles read it. */
#include "kernel/gemm_plan.h"

void gemm_pack_panels(const gemm_kernels *t, const float *b, size_t row, size_t column, size_t k, size_t n,
                      size_t first, size_t count, float *dst)
{
    for (size_t i = first; i < first + count; i++, dst += k * t->nr) {
        size_t j = i * t->nr;
        t->pack(b + j * column, row, column, k, size_min(t->nr, n - j), gemm_width(t, n, j), dst);
    }
}

bool gemm_packed_room(size_t k, size_t columns, size_t count, size_t element, size_t extra, size_t *bytes)
{
    size_t all;
    return size_mul(k, columns, &all) && size_mul(all, count, &all) && size_mul(all, element, &all) &&
           size_mul(extra, sizeof(float), &extra) && size_add(all, extra, &all) &&
           size_add(all, sizeof(gemm_packed), bytes);
}

/* Columns that a packed matrix of floats has in memory. */
static size_t float_columns(const gemm_kernels *t, size_t n)
{
    return gemm_is_narrow(t, n) ? n : gemm_columns(t, n);
}

bool gemm_packed_bytes(size_t k, size_t n, size_t count, size_t *bytes)
{
    return gemm_packed_room(k, float_columns(&kernel_table_get()->gemm, n), count, sizeof(float), 0, bytes);
}

void gemm_pack(const float *b, size_t row, size_t column, size_t k, size_t n, size_t count, size_t apart,
               void *out)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    bool narrow = gemm_is_narrow(t, n);
    gemm_packed *p = out;
    *p = (gemm_packed){
        .k = k, .n = n, .stride = k * float_columns(t, n), .form = narrow ? GEMM_COLUMNS : GEMM_PANELS};
    for (size_t i = 0; i < count; i++) {
        const float *from = b + i * apart;
        if (narrow)
            t->pack(from, column, row, n, k, k, p->data + i * p->stride);
        else
            gemm_pack_panels(t, from, row, column, k, n, 0, size_ceil_div(n, t->nr), p->data + i * p->stride);
    }
}
