#include "import/read/weight_codes.h"

#include "import/read/checkpoint.h"

unsigned codes_number(const code_grid *g, uint64_t row, uint64_t column)
{
    const uint64_t word = row / g->row_pack * g->row_words + column / g->column_pack * g->column_words;
    const unsigned bit = g->order[row % g->row_pack + column % g->column_pack] * g->bits;
    return g->data[word * g->word + bit / 8] >> bit % 8 & ((1u << g->bits) - 1);
}

static sib_code parameter(const code_parameter *p, uint64_t row, uint64_t group, float *out, sib_error *err)
{
    return weight_read(p->from, row / p->row_block * p->row + group * p->column, 1, SIB_F32, out, err);
}

sib_code codes_scale(const weight_codes *w, uint64_t row, uint64_t group, float *scale, sib_error *err)
{
    sib_code code = parameter(&w->scale, row, group, scale, err);
    if (code != SIB_OK || !w->nested)
        return code;
    float of = 0;
    const uint64_t at = row / w->scale.row_block * w->scale.row + group * w->scale.column;
    code = parameter(&w->nested_scale, 0, at / w->nested_block, &of, err);
    *scale = w->nested[(uint8_t)*scale] * of + w->nested_offset;
    return code;
}

sib_code codes_zero(const weight_codes *w, uint64_t row, uint64_t group, float *zero, sib_error *err)
{
    *zero = (float)w->default_zero;
    if (w->zero.from)
        return parameter(&w->zero, row, group, zero, err);
    if (w->zeros.data)
        *zero += (float)codes_number(&w->zeros, row, group);
    return SIB_OK;
}

static uint64_t group_of(const weight_codes *w, uint64_t column)
{
    if (!w->groups)
        return column / w->block;
    const uint8_t *p = w->groups + 4 * column;
    return (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 | (uint64_t)p[3] << 24;
}

/* n elements of a row, from a column on. */
static sib_code read_row(const weight_codes *w, uint64_t row, uint64_t column, size_t n, float *out,
                         sib_error *err)
{
    float scale = 0, zero = 0;
    uint64_t group = UINT64_MAX;
    sib_code code = SIB_OK;
    if (w->elements)
        code = weight_read(w->elements, row * w->columns + column, n, SIB_F32, out, err);
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        if (group != group_of(w, column + i)) {
            group = group_of(w, column + i);
            code = codes_scale(w, row, group, &scale, err);
            if (code == SIB_OK)
                code = codes_zero(w, row, group, &zero, err);
        }
        if (!w->elements) {
            const unsigned q = codes_number(&w->grid, row, column + i);
            out[i] = w->table ? w->table[q] : (float)q;
        }
        out[i] = (out[i] - zero) * scale * w->factor;
    }
    return code;
}

sib_code codes_read(const weight_codes *w, uint64_t first, size_t n, float *out, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t m; n && code == SIB_OK; n -= m, first += m, out += m) {
        const uint64_t column = first % w->columns;
        m = w->columns - column < n ? (size_t)(w->columns - column) : n;
        code = read_row(w, first / w->columns, column, m, out, err);
    }
    return code;
}
