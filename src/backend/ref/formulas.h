/* A table of formulas over blocks for the elementwise milli-ops. */
#ifndef REF_FORMULAS_H
#define REF_FORMULAS_H

#include "backend/ref/elements.h"
#include "milli/milli.h"

/* Computes n elements from a and b, which are the same block where the milli-op has one input. Comparisons
   write 0 or 1 to out->u for all operand types. */
typedef void (*ref_formula)(const ref_block *a, const ref_block *b, ref_block *out, size_t n);

typedef struct ref_formula_row {
    ref_formula paths[REF_PATH_STRING]; /* by ref_path; NULL: not defined for it */
    bool divides;                       /* integers: an element 0 of b is an error */
    bool compares;                      /* the result is bool */
} ref_formula_row;

/* By milli-op; rows without formulas for milli-ops that are not elementwise. */
extern const ref_formula_row ref_formulas[MILLI_COUNT];

#endif
