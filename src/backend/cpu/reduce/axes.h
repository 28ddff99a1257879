/* The layout of a reduction: neighbouring axes of one kind are merged, axes of size 1 dropped. */
#ifndef CPU_AXES_H
#define CPU_AXES_H

#include "backend/cpu/call/rows.h"

/* The innermost reduction is contiguous: `many` rows of n neighbouring elements, or `many` columns of n
   elements that are `many` apart. Loops over the outer groups, alternately kept and reduced, surround it. */
typedef struct axes_plan {
    size_t rank;                   /* number of outer groups */
    size_t dims[SIB_MAX_RANK];     /* (rank) */
    size_t in_step[SIB_MAX_RANK];  /* (rank) stride of the input */
    size_t out_step[SIB_MAX_RANK]; /* (rank) stride of the output, 0 where the group is reduced */
    bool across;                   /* rows, not columns */
    size_t n;                      /* elements per innermost reduction */
    size_t many;                   /* rows or columns */
    size_t results;                /* elements of the output */
    size_t joined;                 /* elements reduced to one of the output */
} axes_plan;

/* dims: (rank), none of them 0. goes: (rank), true for the axes that are reduced. */
axes_plan axes_plan_of(size_t rank, const int64_t *dims, const bool *goes);

/* One innermost reduction: `many` rows or columns from element `in` of x to element `out` of y; combined with
   the elements that y holds if `more`. */
typedef void (*axes_step)(const void *context, const axes_plan *p, size_t in, size_t out, size_t many,
                          bool more);

/* Calls `call` for every innermost reduction, in parallel where that is safe and worth it. Reductions into
   the same outputs run in order. Errors: SIB_ERR_CANCELLED. */
sib_code axes_run(const cpu_call *c, const axes_plan *p, axes_step call, const void *context);

#endif
