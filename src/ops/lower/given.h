/* Lists that old opsets give as an attribute and new ones as an input. */
#ifndef OPS_GIVEN_H
#define OPS_GIVEN_H

#include "ops/lower/lower.h"

/* Max length: two numbers per axis. */
#define GIVEN_MAX (2 * SIB_MAX_RANK)

typedef struct given_list {
    bool given; /* false: the node has neither */
    size_t n;
    dim items[GIVEN_MAX]; /* (n) */
} given_list;

/* For inputs that never were an attribute. */
#define NO_ATTRIBUTE ((spec_ints){0, NULL})

/* The attribute if the node has it, else input i if present (i = 0: never). Stops the lowering with
   LOWER_NEEDS_CONTENT where the input's elements are not known yet. */
given_list given_dims(lowering *l, spec_ints attr, size_t i);

/* The length of a list whose elements need not be known; -1 where the length is not known either. */
int given_length(const lowering *l, mval list);

/* The axes in such a list, for a tensor of this rank, normalized to [0, rank); fails where one is given
   twice. out: room for SIB_MAX_RANK. Returns how many. Without a list: the first n_default axes. */
int given_axes(lowering *l, const given_list *list, int rank, int n_default, int *out);

/* 0, or "" for strings: a scalar of the dtype of x. */
mval given_zero(lowering *l, mval x);

/* A tensor of one element, of any rank, as a scalar. */
mval given_scalar(lowering *l, mval x);

/* Declares output 0 with the dtype of x and these dims, before the lowering may stop for content. */
void given_declare_like(lowering *l, mval x, const dim *dims);

/* float64 averages as dtype: floats are rounded, integers rounded half to even and saturated. */
mval given_narrow(lowering *l, mval wide, sib_dtype dtype);

/* Copies a list attribute to out (count); an absent or empty list gives `fallback` for each item. Fails,
   naming it, where it has another length. */
void given_numbers(lowering *l, spec_ints attr, const char *name, size_t count, int64_t fallback,
                   int64_t *out);

#endif
