/* Elements in order: every number as a 64-bit code that compares as the number does. */
#ifndef REF_ORDER_H
#define REF_ORDER_H

#include "backend/ref/kernel.h"

/* Codes of a tensor's elements: -0 is 0, NaN one code above all others; complex numbers have two, the real part first.
   Strings have none and compare byte by byte. */
typedef struct ref_codes {
    size_t width;           /* codes an element */
    uint64_t *codes;        /* (count, width), owned; NULL for strings */
    const sib_str *strings; /* (count), the tensor's */
} ref_codes;

/* Ends with ref_codes_free. Errors: SIB_ERR_MEMORY. */
sib_code ref_codes_make(const ref_call *c, const sib_tensor *t, ref_codes *out);
void ref_codes_free(ref_codes *codes);

/* < 0, 0 or > 0 as element i of x stands before, at or behind element k of y; both of one dtype. */
int ref_codes_compare(const ref_codes *x, uint64_t i, const ref_codes *y, uint64_t k);

/* < 0, 0 or > 0 for items i and k. */
typedef int (*ref_compare)(const void *context, int64_t i, int64_t k);

/* Puts the items in `items` (n) in ascending order; equal ones stay in theirs. scratch: (n). Errors: SIB_ERR_CANCELLED. */
sib_code ref_sort_items(const ref_call *c, size_t n, int64_t *items, int64_t *scratch, ref_compare compare,
                        const void *context);

/* [outer, size, inner] around an axis. */
typedef struct ref_lines {
    uint64_t outer, size, inner;
} ref_lines;

ref_lines ref_lines_of(const sib_tensor *t, size_t axis);

#endif
