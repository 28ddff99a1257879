/* Weights that stay narrow in memory: they become floats block by block, in the cache, while the product is worked on. */
#include "base/alloc.h"
#include "kernel/gemm_plan.h"

#include <string.h>

/* ---- 16-bit floats --------------------------------------------------------------------------------------- */

static void pack_half_panels(const gemm_kernels *t, const uint16_t *b, size_t row, size_t column, size_t k,
                             size_t n, uint16_t *dst)
{
    for (size_t j = 0; j < n; j += t->nr) {
        size_t width = gemm_width(t, n, j), columns = size_min(t->nr, n - j);
        for (size_t p = 0; p < k; p++, dst += width) {
            memset(dst, 0, width * sizeof *dst);
            for (size_t i = 0; i < columns; i++)
                dst[i] = b[p * row + (j + i) * column];
        }
    }
}

bool gemm_packed_half_bytes(size_t k, size_t n, size_t count, size_t *bytes)
{
    size_t columns = gemm_columns(&kernel_table_get()->gemm, n);
    return gemm_packed_room(k, columns, count, sizeof(uint16_t), 0, bytes);
}

void gemm_pack_half(bool bf16, const uint16_t *b, size_t row, size_t column, size_t k, size_t n, size_t count,
                    size_t apart, void *out)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    gemm_packed *p = out;
    *p = (gemm_packed){.k = k, .n = n, .stride = k * gemm_columns(t, n), .form = bf16 ? GEMM_BF16 : GEMM_F16};
    for (size_t i = 0; i < count; i++)
        pack_half_panels(t, b + i * apart, row, column, k, n, (uint16_t *)(void *)p->data + i * p->stride);
}

/* ---- Few bits --------------------------------------------------------------------------------------------- */

/* Numbers are kept less the one in the middle, which most weights have as their zero point. */
static unsigned middle_of(const gemm_bits *b)
{
    return 1u << (b->bits - 1);
}

static unsigned bits_at(const gemm_bits *b, size_t row_bytes, size_t column, size_t term)
{
    size_t bit = term * b->bits;
    return (b->q[column * row_bytes + bit / 8] >> bit % 8 & ((1u << b->bits) - 1)) - middle_of(b);
}

static void pack_bits_panel(const gemm_bits *b, size_t j, size_t columns, size_t width, uint8_t *q,
                            float *scale, float *zero)
{
    size_t blocks = size_ceil_div(b->k, b->block), row_bytes = blocks * (b->block * b->bits / 8);
    size_t each = b->bits == 8 ? 1 : 2; /* terms in a byte */
    for (size_t p = 0; p < b->k; p += each, q += width)
        for (size_t i = 0; i < width; i++) {
            unsigned low = i < columns ? bits_at(b, row_bytes, j + i, p) : 0;
            unsigned high =
                i < columns && each == 2 && p + 1 < b->k ? bits_at(b, row_bytes, j + i, p + 1) : 0;
            q[i] = (uint8_t)(each == 1 ? low : (low & 15) | high << 4);
        }
    for (size_t block = 0; block < blocks; block++, scale += width, zero += width)
        for (size_t i = 0; i < width; i++) {
            size_t at = (j + i) * blocks + block;
            scale[i] = i < columns ? b->scale[at] : 0.0f;
            zero[i] = i < columns ? b->zero[at] - (float)middle_of(b) : 0.0f;
        }
}

static bool is_centred(const gemm_bits *b)
{
    for (size_t i = 0, n = b->n * size_ceil_div(b->k, b->block); i < n; i++)
        if (!(b->zero[i] == (float)middle_of(b)))
            return false;
    return true;
}

bool gemm_packed_bits_bytes(const gemm_bits *b, size_t *bytes)
{
    size_t columns = gemm_columns(&kernel_table_get()->gemm, b->n), floats;
    size_t rows = b->bits == 8 ? b->k : size_ceil_div(b->k, 2);
    return size_mul(columns, size_ceil_div(b->k, b->block), &floats) && size_mul(floats, 2, &floats) &&
           size_add(floats, MEM_ALIGN, &floats) && gemm_packed_room(rows, columns, 1, 1, floats, bytes);
}

void gemm_pack_bits(const gemm_bits *b, void *out)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    size_t columns = gemm_columns(t, b->n), blocks = size_ceil_div(b->k, b->block);
    size_t rows = b->bits == 8 ? b->k : size_ceil_div(b->k, 2);
    gemm_packed *p = out;
    *p = (gemm_packed){.k = b->k,
                       .n = b->n,
                       .stride = rows * columns,
                       .form = b->bits == 8 ? GEMM_S8 : GEMM_S4,
                       .block = b->block,
                       .centred = is_centred(b),
                       .scales = size_ceil_div(rows * columns, MEM_ALIGN) * (MEM_ALIGN / sizeof(float))};
    p->zeros = p->scales + blocks * columns;
    for (size_t j = 0; j < b->n; j += t->nr)
        pack_bits_panel(b, j, size_min(t->nr, b->n - j), gemm_width(t, b->n, j),
                        (uint8_t *)p->data + j * rows, p->data + p->scales + j * blocks,
                        p->data + p->zeros + j * blocks);
}

/* ---- Widening --------------------------------------------------------------------------------------------- */

/* One panel of (q - zero) * scale, block by block of terms. */
static void widen_bits(const gemm_kernels *t, const gemm_packed *p, size_t k0, size_t kc, size_t j,
                       size_t width, float *dst)
{
    size_t each = p->form == GEMM_S8 ? 1 : 2, blocks = size_ceil_div(p->k, p->block),
           rows = size_ceil_div(p->k, each);
    const int8_t *q = (const int8_t *)p->data + j * rows;
    for (size_t k = k0, n; k < k0 + kc; k += n, dst += n * width) {
        size_t block = k / p->block, at = j * blocks + block * width;
        n = size_min(k0 + kc, (block + 1) * p->block) - k;
        (each == 1 ? t->widen_8 : t->widen_4)(q + k / each * width, p->data + p->zeros + at,
                                              p->data + p->scales + at, n, width, dst);
    }
}

void gemm_widen_panels(const kernel_table *t, const gemm_packed *p, size_t which, size_t k0, size_t kc,
                       size_t first, size_t count, float *dst)
{
    const uint16_t *half = (const uint16_t *)(const void *)p->data + which * p->stride;
    for (size_t i = first; i < first + count; i++, dst += kc * t->gemm.nr) {
        size_t j = i * t->gemm.nr, width = gemm_width(&t->gemm, p->n, j);
        if (p->form == GEMM_S8 || p->form == GEMM_S4)
            widen_bits(&t->gemm, p, k0, kc, j, width, dst);
        else
            (p->form == GEMM_F16 ? t->widen_f16 : t->widen_bf16)(half + j * p->k + k0 * width, dst,
                                                                 kc * width);
    }
}

/* ---- As they are -------------------------------------------------------------------------------------------- */

gemm_thin_tile *gemm_thin_of(const gemm_kernels *t, const gemm_packed *p)
{
    gemm_thin_tile *const tiles[] = {
        [GEMM_F16] = t->thin_f16, [GEMM_BF16] = t->thin_bf16, [GEMM_S8] = t->thin_s8, [GEMM_S4] = t->thin_s4};
    return tiles[p->form];
}

gemm_thin gemm_thin_panel(const gemm_packed *p, size_t which, size_t j)
{
    if (p->form == GEMM_F16 || p->form == GEMM_BF16)
        return (gemm_thin){.q = (const uint16_t *)(const void *)p->data + which * p->stride + j * p->k};
    size_t blocks = size_ceil_div(p->k, p->block), rows = p->form == GEMM_S8 ? p->k : size_ceil_div(p->k, 2);
    return (gemm_thin){.q = (const uint8_t *)p->data + j * rows,
                       .block = p->block,
                       .scale = p->data + p->scales + j * blocks,
                       .zero = p->centred ? NULL : p->data + p->zeros + j * blocks};
}
