/* The memory of one run of a segment, kept for the next: the arena, a buffer for each value, and what each step is
   handed; or what the graphs inside a node take. In a steady run nothing here allocates: memory that is handed on is used
   again once nobody else has it. */
#ifndef RUN_EXECUTE_INSTANCE_H
#define RUN_EXECUTE_INSTANCE_H

#include "run/execute/spares.h"
#include "run/plan/plan.h"

typedef struct instance {
    struct control *control; /* of a segment of one node that runs graphs, which has nothing else; or NULL */
    void *arena;
    buffer *buffers; /* (graph->n_values) */
    buffer **
        operands; /* (n_operands) of step i from first_operand[i] on: inputs, then outputs; NULL for omitted ones */
    size_t *first_operand; /* (n_steps) */
    bool *fixed;           /* (graph->n_values) stays from run to run: constants and those in the arena */
    size_t n_changing;
    value_id *changing; /* (n_changing) the others that a run has, in order */
    spares *used;   /* (n_changing) those that may serve again; views show nothing while nobody has them */
    bool unsettled; /* others had more of `used` than should stay */
} instance;

/* Errors: SIB_ERR_MEMORY. */
sib_code instance_make(const segment *s, instance **out, sib_error *err);
void instance_free(const segment *s, instance **in);

/* Brings in the values that were there before (live, by value of the source graph), and memory of those that outlive the
   segment. After a failure instance_clear is called all the same. */
sib_code instance_fill(const segment *s, instance *in, sib_value *const *live, sib_error *err);
/* Lets go of what the run brought in. */
void instance_clear(const segment *s, instance *in);
/* What goes between runs of the session. */
typedef struct settling {
    unsigned
        keep; /* most of a value that others have and that stay: before a run 1, as the caller keeps them; after it the
                      outputs that it gave */
    size_t n_inputs;
    const sib_value *const
        *inputs; /* (n_inputs) of the run that is over, with NULL entries: no view may show them */
} settling;
/* Lets go of that; nobody runs the instance. */
void instance_settle(const segment *s, instance *in, const settling *how);

#endif
