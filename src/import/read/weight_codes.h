/* Weights that a checkpoint has as small numbers and scales in several parts, as GPTQ, AWQ, compressed-
   tensors, bitsandbytes and FP8 have them. quantized.h joins the parts to one weight, of which this is the
   arithmetic. */
#ifndef IMPORT_WEIGHT_CODES_H
#define IMPORT_WEIGHT_CODES_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weight;

/* Numbers of 2, 4 or 8 bits packed in little-endian words, at a row and a column. */
typedef struct code_grid {
    const uint8_t *data;              /* NULL: no grid */
    unsigned bits, word;              /* of a number; bytes of a word */
    uint64_t row_pack, column_pack;   /* numbers of a word along rows and along columns, one of which is 1 */
    uint64_t row_words, column_words; /* words from one to the next of those */
    const uint8_t *order; /* (numbers of a word) the place of each, counted from the lowest bits */
} code_grid;

/* One number for each group of elements: element (row / row_block) * row + group * column of `from`. */
typedef struct code_parameter {
    const struct weight *from; /* NULL: none */
    uint64_t row_block, row, column;
} code_parameter;

/* What an element at a row and a column is: (code - zero) * scale * factor, or table[code] * scale. Its
   group is column / block, or what `groups` says. */
typedef struct weight_codes {
    uint64_t columns; /* of a row: those of the matrix, or all its elements where rows do not matter */
    uint64_t block;
    code_grid grid;
    const struct weight
        *elements;         /* codes that are elements of a type of their own, where there is no grid */
    const float *table;    /* (16) values of codes; NULL: the codes themselves */
    const uint8_t *groups; /* (columns) int32, each of a group that there is; NULL: in order */
    uint64_t n_groups;
    code_parameter scale, zero; /* zero: numbers of elements' type */
    code_grid zeros;            /* zeros in a grid of rows and groups */
    int default_zero;           /* without either; added to those of the grid otherwise */
    float factor;
    const float *nested; /* (256) values of scales that are codes themselves; NULL: scales are numbers */
    code_parameter nested_scale;
    uint64_t nested_block;
    float nested_offset; /* added to such a scale */
} weight_codes;

/* The number at a row and a column. */
unsigned codes_number(const code_grid *g, uint64_t row, uint64_t column);
/* The scale and the zero of a group in a row. */
sib_code codes_scale(const weight_codes *w, uint64_t row, uint64_t group, float *scale, sib_error *err);
sib_code codes_zero(const weight_codes *w, uint64_t row, uint64_t group, float *zero, sib_error *err);
/* Elements [first, first + n) in float32: differences are exact, and each product is rounded once. out:
   (n). */
sib_code codes_read(const weight_codes *w, uint64_t first, size_t n, float *out, sib_error *err);

#endif
