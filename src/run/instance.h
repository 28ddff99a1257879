/* The memory of one run of a segment, kept for the next: the arena, a buffer for each value, and what each step is
   handed. In a steady run nothing here allocates: an output's memory is used again once its caller has freed it. */
#ifndef RUN_INSTANCE_H
#define RUN_INSTANCE_H

#include "run/plan.h"

typedef struct instance {
    void *arena;
    buffer *buffers; /* (graph->n_values) */
    buffer **
        operands; /* (n_operands) of step i from first_operand[i] on: inputs, then outputs; NULL for omitted ones */
    size_t *first_operand; /* (n_steps) */
    bool *fixed;           /* (graph->n_values) stays from run to run: constants and those in the arena */
    size_t n_changing;
    value_id *changing; /* (n_changing) the others that a run has, in order */
    sib_value **used;   /* (n_changing) those of the last run that may serve again */
} instance;

/* Errors: SIB_ERR_MEMORY. */
sib_code instance_make(const segment *s, instance **out, sib_error *err);
void instance_free(const segment *s, instance **in);

/* Brings in the values that were there before (live, by value of the source graph), and memory of those that outlive the
   segment. After a failure instance_clear is called all the same. */
sib_code instance_fill(const segment *s, instance *in, sib_value *const *live, sib_error *err);
/* Lets go of what the run brought in. */
void instance_clear(const segment *s, instance *in);

#endif
