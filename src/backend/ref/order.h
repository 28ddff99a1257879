/* Ordering of elements: every number becomes a 64-bit code that compares as the number does. */
#ifndef REF_ORDER_H
#define REF_ORDER_H

#include "backend/ref/kernel.h"

/* Codes of a tensor's elements: -0 equals 0, NaN has one code above all others; complex numbers have two,
   the real part first. Strings have none and compare by bytes. */
typedef struct ref_codes {
    size_t width;           /* codes per element */
    uint64_t *codes;        /* (count, width), owned; NULL for strings */
    const sib_str *strings; /* (count), owned by the tensor */
} ref_codes;

/* ref_codes_free must follow, even on failure. Errors: SIB_ERR_MEMORY. */
sib_code ref_codes_make(const ref_call *c, const sib_tensor *t, ref_codes *out);
void ref_codes_free(ref_codes *codes);

/* Returns < 0, 0 or > 0 as element i of x is less than, equal to or greater than element k of y, of the
   same dtype. */
int ref_codes_compare(const ref_codes *x, uint64_t i, const ref_codes *y, uint64_t k);

/* Compares items i and k: < 0, 0 or > 0. */
typedef int (*ref_compare)(const void *context, int64_t i, int64_t k);

/* items: 0 .. n - 1 in ascending order, stably. scratch: (n). Errors: SIB_ERR_CANCELLED. */
sib_code ref_sort_items(const ref_call *c, size_t n, int64_t *items, int64_t *scratch, ref_compare compare,
                        const void *context);

/* The dims of a tensor as [outer, size, inner] around an axis. */
typedef struct ref_lines {
    uint64_t outer, size, inner;
} ref_lines;

ref_lines ref_lines_of(const sib_tensor *t, size_t axis);

#endif
