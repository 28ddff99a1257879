/* Loads and stores elements of any numeric dtype as blocks of double, 64-bit integers or pairs of doubles,
   and broadcasts operands to the dims of a result. */
#ifndef REF_ELEMENTS_H
#define REF_ELEMENTS_H

#include "tensor/convert.h"
#include "tensor/tensor.h"

/* The arithmetic in which a dtype is computed. */
typedef enum ref_path {
    REF_PATH_DOUBLE,
    REF_PATH_INT,  /* int64_t */
    REF_PATH_UINT, /* uint64_t */
    REF_PATH_BOOL, /* uint64_t of 0 or 1 */
    REF_PATH_COMPLEX,
    REF_PATH_STRING, /* not in blocks */
    REF_PATHS
} ref_path;

ref_path ref_path_of(sib_dtype dtype);

#define REF_BLOCK CONVERT_BLOCK

/* One block of operands or results; the path selects the member. */
typedef union ref_block {
    double f[REF_BLOCK];
    int64_t i[REF_BLOCK];
    uint64_t u[REF_BLOCK];
    double c[REF_BLOCK][2];
} ref_block;

/* Loads elements first .. first + n - 1 of dense src into elements from `at` of a block; at + n <=
   REF_BLOCK. */
void ref_load(sib_dtype dtype, const void *src, uint64_t first, size_t n, ref_block *block, size_t at);
/* Stores the first n elements of a block, computed on `path`, rounded or wrapped to dtype, to elements
   from `first` of dense dst. Other elements in the same byte keep their value. */
void ref_store(ref_path path, const ref_block *block, sib_dtype dtype, void *dst, uint64_t first, size_t n);

/* Loads n elements as doubles, for any n. */
void ref_load_doubles(sib_dtype dtype, const void *src, uint64_t first, size_t n, double *out);
/* Loads n elements as integers; uint64 keeps its bits. */
void ref_load_ints(sib_dtype dtype, const void *src, uint64_t first, size_t n, int64_t *out);
/* Loads n elements as pairs. */
void ref_load_complex(sib_dtype dtype, const void *src, uint64_t first, size_t n, double (*out)[2]);

/* ---- Broadcasting -------------------------------------------------------------------------------------- */

/* Maps each element of a dense result, in row-major order, to an element of a dense operand that
   broadcasts to it. Elements come in runs: consecutive, or one repeated. */
typedef struct ref_walk {
    size_t rank; /* without axes of size 1; contiguous axes are merged */
    int64_t dims[SIB_MAX_RANK], strides[SIB_MAX_RANK], index[SIB_MAX_RANK]; /* (rank), strides in elements */
    uint64_t at;                                                            /* element at index */
} ref_walk;

typedef struct ref_run {
    uint64_t first;
    size_t n;
    bool repeats; /* the same element n times */
} ref_run;

/* dims: (rank) of the result, to which t broadcasts. */
void ref_walk_begin(ref_walk *w, const sib_tensor *t, size_t rank, const int64_t *dims);
/* Returns the next run, of at most `max` > 0 elements. Must not be called past the result's end. */
ref_run ref_walk_run(ref_walk *w, size_t max);
/* Loads the next n <= REF_BLOCK elements. */
void ref_walk_load(ref_walk *w, const sib_tensor *t, size_t n, ref_block *block);
/* Computes the indices of the next n <= REF_BLOCK elements. */
void ref_walk_places(ref_walk *w, size_t n, uint64_t *places);

#endif
