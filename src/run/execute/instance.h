/* The memory of one run of a segment, kept for the next: the arena, a buffer for each value, and the
   operands of each step; or the state of a node that runs graphs. A steady run allocates nothing here:
   memory of a value that leaves the segment is reused once nobody else holds it. */
#ifndef RUN_EXECUTE_INSTANCE_H
#define RUN_EXECUTE_INSTANCE_H

#include "run/execute/spares.h"
#include "run/plan/plan.h"

typedef struct instance {
    struct control
        *control; /* of a segment of one node that runs graphs, which uses no other field; or NULL */
    void *arena;
    void *device_memory; /* the arena on the segment's device; NULL: none */
    buffer *buffers;     /* (graph->n_values) */
    buffer **operands;   /* (n_operands) of step i from first_operand[i] on: inputs, outputs; NULL: omitted */
    size_t *first_operand; /* (n_steps) */
    bool *fixed;           /* (graph->n_values) kept from run to run: constants and values in the arena */
    size_t n_changing;
    value_id *changing; /* (n_changing) the other values of a run, in order */
    spares *used;       /* (n_changing) reusable values; views among them are empty while nobody holds them */
    void **places; /* (graph->n_values) memory there of those outside the arena that needed some; else NULL */
    bool unsettled; /* others hold more of `used` than may stay */
} instance;

/* Errors: SIB_ERR_MEMORY. */
sib_code instance_make(const segment *s, instance **out, sib_error *err);
void instance_free(const segment *s, instance **ip);

/* What a run's caller says of the inputs and outputs of the main graph. */
typedef struct run_ends {
    const bool *stays; /* (outputs) those that stay on the device where they are made there; NULL: none */
    const bool *given; /* (inputs) those whose memory outputs may take over; NULL: none */
} run_ends;

/* Adds the values that existed before (live, by value of the source graph), and memory for those that
   outlive the segment. ends: all NULL but for the main graph. After a failure instance_clear must still be called. */
sib_code instance_fill(const segment *s, instance *in, sib_value *const *live, const run_ends *ends,
                       sib_error *err);
/* Releases what instance_fill added. */
void instance_clear(const segment *s, instance *in);
/* What is released between runs of the session. keep: max spares of one value that are in use by others
   and stay: before a run 1, since the caller may keep outputs; after it the number of outputs that it
   returned. */
typedef struct settling {
    unsigned keep;
    size_t n_inputs;
    const sib_value *const
        *inputs; /* (n_inputs) of the finished run, with NULL entries: no view may show them */
} settling;
/* Releases spares beyond `how`; the instance must not be in use. */
void instance_settle(const segment *s, instance *in, const settling *how);

#endif
