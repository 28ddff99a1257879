/* Weights that stay narrow in memory: they are widened to floats block by block, in the cache, during the
   product. */
#include "base/alloc.h"
#include "base/assert.h"
#include "kernel/gemm/gemm_plan.h"

#include <string.h>

/* ---- 16-bit floats ------------------------------------------------------------------------------------- */

/* Packs a rectangle of B that begins at b. */
static void pack_half_part(const gemm_packed *p, const uint16_t *b, size_t row, size_t column,
                           const gemm_pack_part *part, uint16_t *matrix)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    for (size_t j = 0; j < part->columns; j += t->nr) {
        size_t width = gemm_width(t, p->n, part->column + j), columns = size_min(t->nr, part->columns - j);
        uint16_t *dst = matrix + (part->column + j) * p->k + part->term * width;
        for (size_t i = 0; i < part->terms; i++, dst += width) {
            const uint16_t *from = b + i * row + j * column;
            if (column == 1)
                memcpy(dst, from, columns * sizeof *dst);
            else
                for (size_t c = 0; c < columns; c++)
                    dst[c] = from[c * column];
            memset(dst + columns, 0, (width - columns) * sizeof *dst);
        }
    }
}

bool gemm_packed_half_bytes(size_t k, size_t n, size_t count, size_t *bytes)
{
    size_t columns = gemm_columns(&kernel_table_get()->gemm, n);
    return gemm_packed_room(k, columns, count, sizeof(uint16_t), 0, bytes);
}

void gemm_pack_half_begin(bool bf16, size_t k, size_t n, void *out)
{
    gemm_packed *p = out;
    size_t columns = gemm_columns(&kernel_table_get()->gemm, n);
    *p = (gemm_packed){.k = k, .n = n, .stride = k * columns, .form = bf16 ? GEMM_BF16 : GEMM_F16};
}

static uint16_t *half_matrix(gemm_packed *p, size_t which)
{
    return (uint16_t *)(void *)p->data + which * p->stride;
}

void gemm_pack_half_rows(const uint16_t *b, bool transposed, size_t first, size_t rows, void *out)
{
    gemm_packed *p = out;
    size_t which;
    gemm_pack_part part = gemm_pack_part_of(p, transposed, first, rows, &which);
    pack_half_part(p, b, transposed ? 1 : p->n, transposed ? p->k : 1, &part, half_matrix(p, which));
}

void gemm_pack_half(bool bf16, const uint16_t *b, size_t row, size_t column, size_t k, size_t n, size_t count,
                    size_t apart, void *out)
{
    gemm_packed *p = out;
    gemm_pack_part all = {0, k, 0, n};
    gemm_pack_half_begin(bf16, k, n, out);
    for (size_t i = 0; i < count; i++)
        pack_half_part(p, b + i * apart, row, column, &all, half_matrix(p, i));
}

/* ---- Few bits ------------------------------------------------------------------------------------------ */

/* Numbers are stored relative to the middle of their range, which most weights have as their zero point. */
static unsigned middle_of(const gemm_bits *b)
{
    return 1u << (b->bits - 1);
}

static unsigned bits_at(const gemm_bits *b, size_t row_bytes, size_t column, size_t term)
{
    size_t bit = term * b->bits;
    return (b->q[column * row_bytes + bit / 8] >> bit % 8 & ((1u << b->bits) - 1)) - middle_of(b);
}

static void pack_bits_panel(const gemm_bits *b, size_t j, size_t columns, size_t width, uint8_t *q)
{
    size_t row_bytes = size_ceil_div(b->k, b->block) * (b->block * b->bits / 8);
    size_t each = b->bits == 8 ? 1 : 2; /* terms per byte */
    for (size_t p = 0; p < b->k; p += each, q += width)
        for (size_t i = 0; i < width; i++) {
            unsigned low = i < columns ? bits_at(b, row_bytes, j + i, p) : 0;
            unsigned high =
                i < columns && each == 2 && p + 1 < b->k ? bits_at(b, row_bytes, j + i, p + 1) : 0;
            q[i] = (uint8_t)(each == 1 ? low : (low & 15) | high << 4);
        }
}

static void pack_scales(const gemm_bits *b, size_t j, size_t columns, size_t width, float *scale, float *zero)
{
    size_t blocks = size_ceil_div(b->k, b->block);
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
    SIB_ASSERT(b->block > 0 && b->block % 2 == 0);
    SIB_ASSERT(b->bits == 2 || b->bits == 4 || b->bits == 8);
    size_t columns = gemm_columns(&kernel_table_get()->gemm, b->n), floats;
    size_t rows = b->bits == 8 ? b->k : size_ceil_div(b->k, 2);
    return size_mul(columns, size_ceil_div(b->k, b->block), &floats) && size_mul(floats, 2, &floats) &&
           size_add(floats, MEM_ALIGN, &floats) && gemm_packed_room(rows, columns, 1, 1, floats, bytes);
}

/* Packs all but the numbers themselves. */
static void pack_bits_begin(const gemm_bits *b, gemm_packed *p)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    size_t columns = gemm_columns(t, b->n), blocks = size_ceil_div(b->k, b->block);
    size_t rows = b->bits == 8 ? b->k : size_ceil_div(b->k, 2);
    *p = (gemm_packed){.k = b->k,
                       .n = b->n,
                       .stride = rows * columns,
                       .form = b->bits == 8 ? GEMM_S8 : GEMM_S4,
                       .block = b->block,
                       .centred = is_centred(b),
                       .scales = size_ceil_div(rows * columns, MEM_ALIGN) * (MEM_ALIGN / sizeof(float))};
    p->zeros = p->scales + blocks * columns;
    for (size_t j = 0; j < b->n; j += t->nr)
        pack_scales(b, j, size_min(t->nr, b->n - j), gemm_width(t, b->n, j), p->data + p->scales + j * blocks,
                    p->data + p->zeros + j * blocks);
}

void gemm_pack_bits(const gemm_bits *b, void *out)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    size_t rows = b->bits == 8 ? b->k : size_ceil_div(b->k, 2);
    gemm_packed *p = out;
    pack_bits_begin(b, p);
    for (size_t j = 0; j < b->n; j += t->nr)
        pack_bits_panel(b, j, size_min(t->nr, b->n - j), gemm_width(t, b->n, j),
                        (uint8_t *)p->data + j * rows);
}

void gemm_pack_bytes_begin(const gemm_bits *b, void *out)
{
    pack_bits_begin(b, out);
}

void gemm_pack_bytes_rows(const uint8_t *q, bool is_signed, bool transposed, size_t first, size_t rows,
                          void *out)
{
    const gemm_kernels *t = &kernel_table_get()->gemm;
    gemm_packed *p = out;
    size_t which, row = transposed ? 1 : p->n, column = transposed ? p->k : 1;
    gemm_pack_part part = gemm_pack_part_of(p, transposed, first, rows, &which);
    uint8_t less = is_signed ? 0 : 128; /* modulo 256 */
    for (size_t j = 0; j < part.columns; j += t->nr) {
        size_t width = gemm_width(t, p->n, part.column + j), columns = size_min(t->nr, part.columns - j);
        uint8_t *dst = (uint8_t *)p->data + (part.column + j) * p->k + part.term * width;
        for (size_t i = 0; i < part.terms; i++, dst += width) {
            const uint8_t *from = q + i * row + j * column;
            for (size_t c = 0; c < columns; c++)
                dst[c] = from[c * column] - less;
            memset(dst + columns, 0, width - columns);
        }
    }
}

/* ---- Widening ------------------------------------------------------------------------------------------ */

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

/* ---- Blocks of files ----------------------------------------------------------------------------------- */

size_t gemm_blocks_bytes(void)
{
    return sizeof(gemm_packed);
}

void gemm_blocks_in_place(block_kind kind, const uint8_t *blocks, size_t k, size_t n, void *out)
{
    const block_format *f = block_format_at(kind);
    gemm_packed *p = out;
    SIB_ASSERT(f && k % f->block == 0);
    *p = (gemm_packed){.k = k,
                       .n = n,
                       .form = GEMM_BLOCKED,
                       .block = f->block,
                       .kind = kind,
                       .blocks = blocks,
                       .row = k / f->block * f->bytes};
}

/* One panel of decoded blocks: columns become rows of memory, a block's terms of each, and are transposed. */
static void widen_blocks(const gemm_kernels *t, const gemm_packed *p, size_t k0, size_t kc, size_t j,
                         size_t width, float *dst)
{
    const block_format *f = block_format_at(p->kind);
    size_t columns = size_min(width, p->n - j);
    float rows[GEMM_MAX_NR * BLOCK_MAX];
    for (size_t k = k0, n; k < k0 + kc; k += n, dst += n * width) {
        n = size_min(f->block, k0 + kc - k);
        for (size_t i = 0; i < columns; i++)
            blocks_decode(f, p->blocks + (j + i) * p->row, k, n, rows + i * f->block);
        t->pack(rows, 1, f->block, n, columns, width, dst);
    }
}

void gemm_widen_panels(const kernel_table *t, const gemm_packed *p, size_t which, size_t k0, size_t kc,
                       size_t first, size_t count, float *dst)
{
    const uint16_t *half = (const uint16_t *)(const void *)p->data + which * p->stride;
    for (size_t i = first; i < first + count; i++, dst += kc * t->gemm.nr) {
        size_t j = i * t->gemm.nr, width = gemm_width(&t->gemm, p->n, j);
        if (p->form == GEMM_BLOCKED)
            widen_blocks(&t->gemm, p, k0, kc, j, width, dst);
        else if (p->form == GEMM_S8 || p->form == GEMM_S4)
            widen_bits(&t->gemm, p, k0, kc, j, width, dst);
        else
            (p->form == GEMM_F16 ? t->widen_f16 : t->widen_bf16)(half + j * p->k + k0 * width, dst,
                                                                 kc * width);
    }
}

/* ---- Access -------------------------------------------------------------------------------------------- */

gemm_thin_tile *gemm_thin_of(const gemm_kernels *t, const gemm_packed *p)
{
    gemm_thin_tile *const tiles[] = {
        [GEMM_F16] = t->thin_f16, [GEMM_BF16] = t->thin_bf16, [GEMM_S8] = t->thin_s8, [GEMM_S4] = t->thin_s4};
    return p->form == GEMM_BLOCKED ? t->thin_blocks[p->kind] : tiles[p->form];
}

gemm_thin gemm_thin_panel(const gemm_packed *p, size_t which, size_t j)
{
    if (p->form == GEMM_F16 || p->form == GEMM_BF16)
        return (gemm_thin){.q = (const uint16_t *)(const void *)p->data + which * p->stride + j * p->k};
    if (p->form == GEMM_BLOCKED)
        return (gemm_thin){.q = p->blocks + j * p->row, .block = p->block, .row = p->row};
    size_t blocks = size_ceil_div(p->k, p->block), rows = p->form == GEMM_S8 ? p->k : size_ceil_div(p->k, 2);
    return (gemm_thin){.q = (const uint8_t *)p->data + j * rows,
                       .block = p->block,
                       .scale = p->data + p->scales + j * blocks,
                       .zero = p->centred ? NULL : p->data + p->zeros + j * blocks};
}
