/* What each method of quantization has as the parts of a weight, one function each. */
#include "import/read/quantized.h"

#include "base/size.h"

#include <jansson.h>

/* Places of the numbers in a word: in order; AWQ's, whose number j stands at [j]; the first in the high
   bits. */
static const uint8_t in_order[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const uint8_t awq_order[8] = {0, 4, 1, 5, 2, 6, 3, 7};
static const uint8_t high_first[2] = {1, 0};

static int64_t divided_up(int64_t n, int64_t by)
{
    return (n - 1) / by + 1;
}

/* Sets dims and the columns that share a scale. size: 0 or less for all of a row. Returns the number of
   groups. */
static int64_t set_groups(joining *j, int64_t rows, int64_t columns, int64_t size)
{
    j->dims[0] = rows;
    j->dims[1] = columns;
    j->made->columns = (uint64_t)columns;
    if (size <= 0 || size > columns)
        size = columns;
    j->made->block = (uint64_t)size;
    return (int64_t)(j->made->n_groups = (uint64_t)divided_up(columns, size));
}

/* The groups of columns where they are not in order. */
static void read_groups(joining *j, const char *ending)
{
    const weight *w = join_part(j, ending, PART_INT32, false);
    join_expect(j, w, ending, j->dims[1], 1);
    if (!w || j->code != SIB_OK)
        return;
    bool ordered = true;
    for (int64_t i = 0; i < j->dims[1]; i++) {
        const uint8_t *p = w->data + 4 * i;
        const uint32_t group =
            (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
        if (group >= j->made->n_groups) {
            join_fail(j, SIB_ERR_FORMAT, "its part '%s' has group %d at %lld, expected 0 to %lld", ending,
                      (int)(int32_t)group, (long long)i, (long long)j->made->n_groups - 1);
            return;
        }
        ordered = ordered && group == (uint64_t)i / j->made->block;
    }
    j->made->groups = ordered ? NULL : w->data;
}

/* ---- GPTQ and AWQ -------------------------------------------------------------------------------------- */

/* Scales [groups, out]. */
static void read_column_scales(joining *j, int64_t groups)
{
    j->made->scale = (code_parameter){join_part(j, ".scales", PART_FLOAT, true), 1, 1, (uint64_t)j->dims[0]};
    join_expect(j, j->made->scale.from, ".scales", groups, j->dims[0]);
}

/* Zeros [groups, out / numbers of a word]. */
static void read_column_zeros(joining *j, int64_t groups, unsigned bits, const uint8_t *order)
{
    const int64_t pack = 32 / (int64_t)bits, words = divided_up(j->dims[0], pack);
    const weight *w = join_part(j, ".qzeros", PART_INT32, true);
    join_expect(j, w, ".qzeros", groups, words);
    if (w && j->code == SIB_OK)
        j->made->zeros = (code_grid){w->data, bits, 4, (uint64_t)pack, 1, 1, (uint64_t)words, order};
}

/* (q - zero) * scale; numbers are packed along the input, [in / numbers of a word, out]. Version 1 of the
   format has zeros less one. Source: Frantar et al. 2022; the layout of AutoGPTQ and GPTQModel. */
static void join_gptq(joining *j)
{
    const int64_t bits = join_int(j, "bits", 0);
    const bool first = join_text_is(j, "checkpoint_format", "gptq", "gptq");
    if (bits != 2 && bits != 4 && bits != 8)
        join_fail(j, SIB_ERR_UNSUPPORTED, "quantization_config.bits is %lld; known are 2, 4 and 8",
                  (long long)bits);
    if (!first && !join_text_is(j, "checkpoint_format", "gptq", "gptq_v2"))
        join_fail(j, SIB_ERR_UNSUPPORTED,
                  "quantization_config.checkpoint_format is not known; known are gptq and gptq_v2");
    const weight *w = join_matrix(j, ".qweight", PART_INT32);
    if (!w)
        return;
    const int64_t pack = 32 / bits, out = w->dims[1];
    const int64_t groups = set_groups(j, out, w->dims[0] * pack, join_int(j, "group_size", -1));
    j->made->grid = (code_grid){w->data, (unsigned)bits, 4, 1, (uint64_t)pack, 1, (uint64_t)out, in_order};
    j->made->default_zero = first;
    read_column_scales(j, groups);
    read_column_zeros(j, groups, (unsigned)bits, in_order);
    read_groups(j, ".g_idx");
}

/* (q - zero) * scale; numbers are packed along the output, [in, out / 8], in an order of their own.
   Source: Lin et al. 2023; the layout "gemm" of AutoAWQ. */
static void join_awq(joining *j)
{
    if (join_int(j, "bits", 4) != 4)
        join_fail(j, SIB_ERR_UNSUPPORTED, "quantization_config.bits is %lld; known is 4",
                  (long long)join_int(j, "bits", 4));
    if (!join_text_is(j, "version", "gemm", "gemm") && !join_text_is(j, "version", "gemm", "GEMM"))
        join_fail(j, SIB_ERR_UNSUPPORTED, "quantization_config.version is not known; known is gemm");
    const weight *w = join_matrix(j, ".qweight", PART_INT32);
    if (!w)
        return;
    const int64_t words = w->dims[1],
                  groups = set_groups(j, words * 8, w->dims[0], join_int(j, "group_size", -1));
    j->made->grid = (code_grid){w->data, 4, 4, 8, 1, 1, (uint64_t)words, awq_order};
    read_column_scales(j, groups);
    read_column_zeros(j, groups, 4, awq_order);
}

/* ---- Scales beside a matrix ---------------------------------------------------------------------------- */

/* A matrix of numbers of their own type. */
static const weight *read_elements(joining *j, bool bytes)
{
    const weight *w = join_matrix(j, ".weight", bytes ? PART_INT8 : PART_FLOAT8);
    j->made->elements = w;
    if (w)
        set_groups(j, w->dims[0], w->dims[1], 0);
    return w;
}

/* One of a list of two integers under a key of quantization_config; 0 where it is none. */
static int64_t block_dim(const joining *j, const char *key, size_t i)
{
    const fact *f = checkpoint_fact(j->c, key);
    return f && f->kind == FACT_INT && f->list && f->n == 2 && f->ints[i] > 0 ? f->ints[i] : 0;
}

/* Scales of blocks [rows, columns] of the sizes under the key. */
static void read_block_scales(joining *j, const char *ending, const char *key)
{
    const int64_t rows = block_dim(j, key, 0), columns = block_dim(j, key, 1);
    if (!rows || !columns) {
        join_fail(j, SIB_ERR_FORMAT, "its part '%s' is for blocks, and %s says no sizes", ending, key);
        return;
    }
    const int64_t groups = set_groups(j, j->dims[0], j->dims[1], columns);
    j->made->scale =
        (code_parameter){join_part(j, ending, PART_FLOAT, true), (uint64_t)rows, (uint64_t)groups, 1};
    join_expect(j, j->made->scale.from, ending, divided_up(j->dims[0], rows), groups);
}

/* Scales of all, of rows, or of groups in rows (out, groups). Returns false, where they are of something
   else. */
static bool read_row_scales(joining *j, const char *ending, part_kind kind, code_parameter *p)
{
    uint64_t count = 0;
    const weight *w = join_part(j, ending, kind, kind == PART_FLOAT); /* zeros may be left out */
    const int64_t rows = j->dims[0], columns = j->dims[1];
    if (!w || !weight_count(w, &count))
        return true;
    p->from = w;
    p->row_block = 1;
    if (count == 1)
        return true;
    const int64_t groups = (int64_t)(count / (uint64_t)rows);
    if (count % (uint64_t)rows || w->dims[0] != rows || groups > columns)
        return false;
    int64_t size = join_int(j, "config_groups.group_0.weights.group_size", 0);
    if (size <= 0 || divided_up(columns, size) != groups)
        size = columns % groups ? 0 : columns / groups;
    if (!size)
        return false;
    set_groups(j, rows, columns, size);
    p->row = (uint64_t)groups;
    p->column = 1;
    join_expect(j, w, ending, rows, groups);
    return true;
}

/* x * scale, or (x - zero) * scale, x int8 or float8. Source: the formats int-quantized, float-quantized
   and naive-quantized of compressed-tensors. */
static void join_scaled(joining *j)
{
    if (!read_elements(j, join_has(j, ".weight", PART_INT8)))
        return;
    if (!read_row_scales(j, ".weight_scale", PART_FLOAT, &j->made->scale))
        read_block_scales(j, ".weight_scale",
                          "quantization_config.config_groups.group_0.weights.block_structure");
    const code_parameter s = j->made->scale;
    const uint64_t block = j->made->block;
    if (!read_row_scales(j, ".weight_zero_point", PART_INT8, &j->made->zero) ||
        (j->made->zero.from && (j->made->zero.row != s.row || j->made->block != block)))
        join_fail(j, SIB_ERR_FORMAT, "its part '.weight_zero_point' has not the shape of its scales");
}

/* x * scale of its block, or of all; the name says inverse for what x was divided by. Source: DeepSeek-V3. */
static void join_fp8(joining *j)
{
    uint64_t count = 0;
    if (!read_elements(j, false))
        return;
    if (block_dim(j, "quantization_config.weight_block_size", 0)) {
        read_block_scales(j, ".weight_scale_inv", "quantization_config.weight_block_size");
        return;
    }
    const weight *w = join_part(j, ".weight_scale_inv", PART_FLOAT, true);
    if (w && weight_count(w, &count) && count != 1)
        join_fail(
            j, SIB_ERR_FORMAT,
            "its part '.weight_scale_inv' is for blocks, and quantization_config.weight_block_size says "
            "no sizes");
    j->made->scale = (code_parameter){w, 1, 0, 0};
}

/* x * absmax of its row / 127. Source: Dettmers et al. 2022 (LLM.int8). */
static void join_llm_int8(joining *j)
{
    float layout = 0;
    if (!read_elements(j, true))
        return;
    const weight *format = join_part(j, ".weight_format", PART_UINT8, false);
    if (format && j->code == SIB_OK)
        j->code = weight_read(format, 0, 1, SIB_F32, &layout, j->err);
    if (layout != 0)
        join_fail(j, SIB_ERR_UNSUPPORTED, "its part '.weight_format' is %g; known is 0, rows",
                  (double)layout);
    j->made->scale = (code_parameter){join_part(j, ".SCB", PART_FLOAT, true), 1, 1, 0};
    join_expect(j, j->made->scale.from, ".SCB", j->dims[0], 1);
    j->made->factor = 7.874015718698502e-3f;
}

/* ---- compressed-tensors' pack-quantized ---------------------------------------------------------------- */

/* (q - zero) * scale; numbers are packed along the input, [out, in / numbers of a word], their sign bit
   inverted, zeros [out / numbers of a word, groups]. */
static void join_packed(joining *j)
{
    int64_t shape[2] = {0, 0};
    const weight *w = join_part(j, ".weight_packed", PART_INT32, true),
                 *dims = join_part(j, ".weight_shape", PART_INT, true);
    join_expect(j, dims, ".weight_shape", 2, 1);
    if (j->code == SIB_OK)
        j->code = weight_read(dims, 0, 2, SIB_I64, shape, j->err);
    unsigned bits = 0;
    for (unsigned try = 2; try <= 8 && j->code == SIB_OK; try *= 2)
        if (w->rank == 2 && shape[0] > 0 && shape[1] > 0 && w->dims[0] == shape[0] &&
            w->dims[1] == divided_up(shape[1], 32 / try) &&
            (!bits || join_int(j, "config_groups.group_0.weights.num_bits", 4) == try))
            bits = try;
    if (!bits) {
        join_fail(j, SIB_ERR_FORMAT,
                  "its part '.weight_packed' does not have the dims in '.weight_shape' in 2, 4 or 8 bits");
        return;
    }
    const uint64_t pack = 32 / bits;
    set_groups(j, shape[0], shape[1], 0);
    j->made->grid = (code_grid){w->data, bits, 4, 1, pack, (uint64_t)w->dims[1], 1, in_order};
    j->made->default_zero = 1 << (bits - 1);
    if (!read_row_scales(j, ".weight_scale", PART_FLOAT, &j->made->scale))
        join_fail(j, SIB_ERR_FORMAT, "its part '.weight_scale' is not [out, groups of the input]");
    const int64_t groups = (int64_t)j->made->n_groups;
    const weight *zeros = join_part(j, ".weight_zero_point", PART_INT32, false);
    join_expect(j, zeros, ".weight_zero_point", divided_up(shape[0], (int64_t)pack), groups);
    if (zeros && j->code == SIB_OK) {
        j->made->zeros = (code_grid){zeros->data, bits, 4, pack, 1, (uint64_t)groups, 1, in_order};
        j->made->default_zero = 0;
    }
    read_groups(j, ".weight_g_idx");
}

/* ---- bitsandbytes, 4 bits ------------------------------------------------------------------------------ */

/* Numbers of a part as a table. */
static const float *read_table(joining *j, const char *ending, int64_t n)
{
    float *table = arena_alloc(j->c->arena, (size_t)n, sizeof *table);
    const weight *w = join_part(j, ending, PART_FLOAT, true);
    join_expect(j, w, ending, n, 1);
    if (j->code == SIB_OK && !table)
        j->code = err_memory(j->err, (size_t)n * sizeof *table, "a table");
    if (j->code == SIB_OK)
        j->code = weight_read(w, 0, (size_t)n, SIB_F32, table, j->err);
    return table;
}

/* An integer of a quant_state; fails where it is not from 1 on. */
static int64_t state_int(joining *j, const json_t *v, const char *what)
{
    const int64_t n = json_is_integer(v) ? json_integer_value(v) : 0;
    if (n < 1)
        join_fail(j, SIB_ERR_FORMAT, "its quant_state has no '%s'", what);
    return n < 1 ? 1 : n;
}

/* Scales of `count` elements, numbers or, with double quantization, codes of a table themselves. */
static void read_absmax(joining *j, const json_t *state, int64_t count)
{
    weight_codes *w = j->made;
    const json_t *offset = json_object_get(state, "nested_offset");
    const int64_t blocks = divided_up(count, (int64_t)w->block);
    w->scale =
        (code_parameter){join_part(j, ".weight.absmax", offset ? PART_UINT8 : PART_FLOAT, true), 1, 0, 1};
    join_expect(j, w->scale.from, ".weight.absmax", blocks, 1);
    if (!offset)
        return;
    const int64_t each = state_int(j, json_object_get(state, "nested_blocksize"), "nested_blocksize");
    w->nested = read_table(j, ".weight.nested_quant_map", 256);
    w->nested_block = (uint64_t)each;
    w->nested_offset = (float)json_number_value(offset);
    w->nested_scale = (code_parameter){join_part(j, ".weight.nested_absmax", PART_FLOAT, true), 1, 0, 1};
    join_expect(j, w->nested_scale.from, ".weight.nested_absmax", divided_up(blocks, each), 1);
}

static void read_state(joining *j, const json_t *state, const weight *w)
{
    const json_t *shape = json_object_get(state, "shape");
    const int64_t rows = state_int(j, json_array_get(shape, 0), "shape"),
                  columns = state_int(j, json_array_get(shape, 1), "shape"),
                  block = state_int(j, json_object_get(state, "blocksize"), "blocksize");
    int64_t count = 1;
    if (json_array_size(shape) != 2 || !i64_mul(rows, columns, &count))
        join_fail(j, SIB_ERR_FORMAT, "its quant_state has no 'shape' of a matrix");
    if (j->code != SIB_OK)
        return;
    join_expect(j, w, ".weight", divided_up(count, 2), 1);
    set_groups(j, 1, count, block);
    j->dims[0] = rows;
    j->dims[1] = columns;
    j->made->grid = (code_grid){w->data, 4, 1, 1, 2, 0, 1, high_first};
    j->made->table = read_table(j, ".weight.quant_map", 16);
    read_absmax(j, state, count);
}

/* table[q] * absmax of its block, over the elements of all rows. Source: Dettmers et al. 2023 (QLoRA). */
static void join_bnb4(joining *j)
{
    const weight *w = join_part(j, ".weight", PART_UINT8, true),
                 *text = join_part(j, ".weight.quant_state.bitsandbytes__nf4", PART_UINT8, false);
    if (!text)
        text = join_part(j, ".weight.quant_state.bitsandbytes__fp4", PART_UINT8, false);
    if (!text) {
        join_fail(j, SIB_ERR_FORMAT, "its quant_state is missing; known are bitsandbytes__nf4 and __fp4");
        return;
    }
    json_t *state = json_loadb((const char *)text->data, (size_t)text->size, 0, NULL);
    if (!json_is_object(state))
        join_fail(j, SIB_ERR_FORMAT, "its quant_state is not a JSON object");
    else
        read_state(j, state, w);
    json_decref(state);
}

const quantized_scheme quantized_schemes[] = {
    {"fp8", ".weight", ".weight_scale_inv", "float8 in blocks", join_fp8},
    {"fp8", ".weight", ".weight_scale", "float8, scaled", join_scaled},
    {"fbgemm_fp8", ".weight", ".weight_scale", "float8, scaled", join_scaled},
    {"compressed-tensors", ".weight_packed", NULL, "packed integers", join_packed},
    {"compressed-tensors", ".weight", ".weight_scale", "scaled", join_scaled},
    {"bitsandbytes", ".weight", ".weight.absmax", "4 bits of bitsandbytes", join_bnb4},
    {"bitsandbytes", ".weight", ".SCB", "int8 of bitsandbytes", join_llm_int8},
    {"gptq", ".qweight", NULL, "gptq", join_gptq},
    {"awq", ".qweight", NULL, "awq", join_awq},
    {0},
};
