/* Lists that old opsets give as an attribute and new ones as an input. */
#ifndef OPS_LISTS_H
#define OPS_LISTS_H

#include "ops/lower/lower.h"

/* Max length: two numbers per axis. */
#define LIST_MAX (2 * SIB_MAX_RANK)

typedef struct dim_list {
    bool given; /* false: the node has neither */
    size_t n;
    dim items[LIST_MAX]; /* (n) */
} dim_list;

/* For inputs that never were an attribute. */
#define NO_ATTRIBUTE ((spec_ints){0, NULL})

/* The attribute if the node has it, else input i if present (i = 0: never). Stops the lowering with
   LOWER_NEEDS_CONTENT where the input's elements are not known yet. */
dim_list list_dims(lowering *l, spec_ints attr, size_t i);

/* The length of a list whose elements need not be known; -1 where the length is not known either. */
int list_length(const lowering *l, mval list);

/* The axes in such a list, for a tensor of this rank, normalized to [0, rank); fails where one is given
   twice. out: room for SIB_MAX_RANK. Returns how many. Without a list: the first n_default axes. */
int list_axes(lowering *l, const dim_list *list, int rank, int n_default, int *out);

/* Copies a list attribute to out (count); an absent or empty list gives `fallback` for each item. Fails,
   naming it, where it has another length. */
void list_numbers(lowering *l, spec_ints attr, const char *name, size_t count, int64_t fallback,
                  int64_t *out);

#endif
