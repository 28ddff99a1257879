/* A matrix of low rank that is added to a weight as that is read. */
#ifndef IMPORT_WEIGHT_DELTA_H
#define IMPORT_WEIGHT_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is added to a weight W of [rows, columns]: scale * B A, of B [out, rank] and A [rank, in]. */
typedef struct weight_delta {
    const float *a, *b;
    size_t rows, columns, rank;
    double scale;
    bool across; /* W is [in, out]: (B A) transposed is added */
} weight_delta;

/* Adds elements [first, first + n) to out (n), in double, rounded once. */
void weight_delta_add(const weight_delta *d, uint64_t first, size_t n, float *out);

#endif
