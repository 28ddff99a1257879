/* A reduction laid out: axes of one kind that are neighbours become one, axes of size 1 go. */
#ifndef CPU_AXES_H
#define CPU_AXES_H

#include "backend/cpu/rows.h"

/* The innermost reduction is a plain one: `rows` rows of n neighbouring elements, or `columns` columns of n elements that
   are `columns` apart. Around it stand the outer groups, kept and reduced in turn. */
typedef struct axes_plan {
    size_t rank;                   /* outer groups */
    size_t dims[SIB_MAX_RANK];     /* (rank) */
    size_t in_step[SIB_MAX_RANK];  /* (rank) elements of the input from one to the next */
    size_t out_step[SIB_MAX_RANK]; /* (rank) elements of the output, 0 where the group is reduced */
    bool across;                   /* rows, else columns */
    size_t n;                      /* elements that the innermost reduction joins */
    size_t many;                   /* rows or columns */
    size_t results;                /* elements of the output */
    size_t joined;                 /* elements that one of the output is made of */
} axes_plan;

/* dims: (rank), none of them 0. goes: (rank), which axes are reduced. */
axes_plan axes_plan_of(size_t rank, const int64_t *dims, const bool *goes);

/* One plain reduction: `many` rows or columns of p from x into y, joined with what y holds where `more`. */
typedef void (*axes_step)(const void *context, const axes_plan *p, size_t in, size_t out, size_t many,
                          bool more);

/* Makes the call for every plain reduction, in order, over threads where that is safe and worth it. Errors:
   SIB_ERR_CANCELLED. */
sib_code axes_run(const cpu_call *c, const axes_plan *p, axes_step call, const void *context);

#endif
