/* The elementwise milli-ops as a table of formulas over blocks. */
#ifndef REF_FORMULAS_H
#define REF_FORMULAS_H

#include "backend/ref/elements.h"
#include "milli/milli.h"

/* n elements of a and b, which are the same block where the milli-op has one input. Comparisons leave 0 or 1 in out->u,
   whatever the operands. */
typedef void (*ref_formula)(const ref_block *a, const ref_block *b, ref_block *out, size_t n);

typedef struct ref_formula_row {
    ref_formula paths[REF_PATH_STRING]; /* by ref_path; NULL: the milli-op has no meaning there */
    bool divides;                       /* integers: an element of b that is 0 is an error */
    bool compares;                      /* the result is bool */
} ref_formula_row;

/* Row of an elementwise milli-op; one without formulas for others. */
extern const ref_formula_row ref_formulas[MILLI_COUNT];

#endif
