/* What calls of a plan read of it. */
#ifndef JOB_CALL_PLAN_INNER_H
#define JOB_CALL_PLAN_INNER_H

#include "batch/buffered.h"
#include "job/call/plan.h"

typedef struct port_list {
    call_port *items; /* (n) */
    size_t n, capacity;
} port_list;

typedef struct call_counted {
    job_count_kind kind;
    sib_value_info info; /* of the model's input */
} call_counted;

struct call_plan {
    const job_doc *d;
    const job_call_doc *call;
    sib_model *model;
    sib_session *session;
    sib_session *buffered; /* of `form`, in which the state is buffers; NULL: there is none */
    buffered_model form;   /* its model is the session's */
    sib_session *rows;     /* takes rows of the state on a device; NULL: they are taken on the host */
    port_list inputs, outputs;
    port_list state;           /* port: the model's input, value: its output; info of the input */
    port_list context;         /* port: the model's input, value: the output of call `of` */
    port_list held;            /* value: outputs that other calls take as context */
    sib_value **fixed;         /* (call->n_fixed) */
    call_counted *counts;      /* (n_counts) inputs that are made of the number of tokens */
    size_t n_counts, count_of; /* count_of: the port of these tokens, where call->count.of names one */
    const char **names;        /* (outputs, state, held) names of the session's outputs */
    bool *stay;                /* (likewise) all true: they stay on a device until somebody reads them */
};

/* Index of the fixed value of this name, or NO_INDEX. */
size_t call_plan_fixed(const call_plan *p, const char *name);

#endif
