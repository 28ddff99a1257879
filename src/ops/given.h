/* Lists that a node is given: as an attribute in old opsets, as an input in new ones. */
#ifndef OPS_GIVEN_H
#define OPS_GIVEN_H

#include "ops/lower.h"

/* Longest list: two numbers an axis. */
#define GIVEN_MAX (2 * SIB_MAX_RANK)

typedef struct given_list {
    bool given; /* false: the node has none */
    size_t n;
    dim items[GIVEN_MAX]; /* (n) */
} given_list;

/* For inputs that were never an attribute. */
#define NO_ATTRIBUTE ((spec_ints){0, NULL})

/* The attribute where the node has it, else input i where it has that (i 0: never). An input whose elements are not known
   yet stops the lowering with LOWER_NEEDS_CONTENT. */
given_list given_dims(lowering *l, spec_ints attr, size_t i);

/* How many elements a list will have that stands in input i and may not be known yet; -1 where even that is
   not. */
int given_length(const lowering *l, mval list);

/* Axes of a tensor of rank from such a list: axes [0, rank) in out (at most SIB_MAX_RANK), each once; returns
   how many. Without a list: the first n_default. */
int given_axes(lowering *l, const given_list *list, int rank, int n_default, int *out);

/* 0, or "" for strings, as a scalar of the dtype of x. */
mval given_zero(lowering *l, mval x);

/* A scalar from a tensor of one element, of rank 0 or more. */
mval given_scalar(lowering *l, mval x);

/* Declares output 0 as x with other dims: what is known before numbers or content are asked for. */
void given_declare_like(lowering *l, mval x, const dim *dims);

/* float64 results of averaging as dtype: floats round, integers round to even and saturate. */
mval given_narrow(lowering *l, mval wide, sib_dtype dtype);

/* The numbers of an attribute as out (count), or the fallback for each where its list is absent or empty. Fails by name
   where it has another number of them. */
void given_numbers(lowering *l, spec_ints attr, const char *name, size_t count, int64_t fallback,
                   int64_t *out);

#endif
