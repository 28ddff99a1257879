/* Packs B in the order in which the tiles read it. */
#include "kernel/gemm/gemm_plan.h"

/* Rows of B that are read before the next ones: each in one piece through all panels, since memory gives pieces of
   128 bytes that are far apart slowly. */
#define PACK_ROWS 8

void gemm_pack_panels(const gemm_kernels *t, const float *b, size_t row, size_t column, size_t k, size_t n,
                      size_t first, size_t count, float *dst)
{
    size_t rows = column == 1 ? PACK_ROWS : k;
    for (size_t p = 0; p < k; p += rows)
        for (size_t i = 0; i < count; i++) {
            size_t j = (first + i) * t->nr, width = gemm_width(t, n, j);
            t->pack(b + p * row + j * column, row, column, size_min(rows, k - p), size_min(t->nr, n - j),
                    width, dst + i * k * t->nr + p * width);
        }
}

bool gemm_packed_room(size_t k, size_t columns, size_t count, size_t element, size_t extra, size_t *bytes)
{
    size_t all;
    return size_mul(k, columns, &all) && size_mul(all, count, &all) && size_mul(all, element, &all) &&
           size_mul(extra, sizeof(float), &extra) && size_add(all, extra, &all) &&
           size_add(all, sizeof(gemm_packed), bytes);
}

/* Columns of a packed matrix of floats in memory. */
static size_t float_columns(const gemm_kernels *t, size_t n)
{
    return gemm_is_narrow(t, n) ? n : gemm_columns(t, n);
}

bool gemm_packed_bytes(size_t k, size_t n, size_t count, size_t *bytes)
{
    return gemm_packed_room(k, float_columns(&kernel_table_get()->gemm, n), count, sizeof(float), 0, bytes);
}

size_t gemm_pack_multiple(bool transposed)
{
    return transposed ? kernel_table_get()->gemm.nr : 1;
}

void gemm_pack_begin(size_t k, size_t n, void *out)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    gemm_packed *p = out;
    *p = (gemm_packed){.k = k,
                       .n = n,
                       .stride = k * float_columns(t, n),
                       .form = gemm_is_narrow(t, n) ? GEMM_COLUMNS : GEMM_PANELS};
}

/* Packs a rectangle of B that begins at b. */
static void pack_part(const gemm_packed *p, const float *b, size_t row, size_t column,
                      const gemm_pack_part *part, float *matrix)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    if (p->form == GEMM_COLUMNS) {
        for (size_t j = 0; j < part->columns; j++)
            for (size_t i = 0; i < part->terms; i++)
                matrix[(part->column + j) * p->k + part->term + i] = b[i * row + j * column];
        return;
    }
    for (size_t j = 0; j < part->columns; j += t->nr) {
        size_t width = gemm_width(t, p->n, part->column + j);
        t->pack(b + j * column, row, column, part->terms, size_min(t->nr, part->columns - j), width,
                matrix + (part->column + j) * p->k + part->term * width);
    }
}

gemm_pack_part gemm_pack_part_of(const gemm_packed *p, bool transposed, size_t first, size_t rows,
                                 size_t *which)
{
    size_t block = transposed ? p->n : p->k;
    *which = first / block;
    return transposed ? (gemm_pack_part){0, p->k, first % block, rows}
                      : (gemm_pack_part){first % block, rows, 0, p->n};
}

void gemm_pack_rows(const float *b, bool transposed, size_t first, size_t rows, void *out)
{
    gemm_packed *p = out;
    size_t which;
    gemm_pack_part part = gemm_pack_part_of(p, transposed, first, rows, &which);
    pack_part(p, b, transposed ? 1 : p->n, transposed ? p->k : 1, &part, p->data + which * p->stride);
}

void gemm_pack(const float *b, size_t row, size_t column, size_t k, size_t n, size_t count, size_t apart,
               void *out)
{
    gemm_packed *p = out;
    gemm_pack_part all = {0, k, 0, n};
    gemm_pack_begin(k, n, out);
    for (size_t i = 0; i < count; i++)
        pack_part(p, b + i * apart, row, column, &all, p->data + i * p->stride);
}
