/* What one run and several together share. */
#ifndef JOB_RUN_INNER_H
#define JOB_RUN_INNER_H

#include "job/run.h"

typedef struct job_run_state {
    const job_parts *parts;
    const job_doc *d;
    job_value **slots; /* (n_slots) */
    bool *wanted;      /* (n_slots) true where something reads the slot */
    bool *held; /* (n_calls) true where a needed node makes a call that is `of` this one, and not this one */
    void **memory;          /* (n_nodes) memory of nodes */
    const job_node **nodes; /* (n_nodes) by number, those that ran */
    job_call **calls;       /* (n_calls) */
    const job_watch *watch;
    const job_shared *shared; /* or NULL */
    uint64_t max_steps;
    char path[256]; /* of the enclosing loops: "loop/step[3]/" */
} job_run_state;

/* Begins a run that has its parts, limits and watch. Ended by run_end, also after a failure. */
sib_code run_begin(job_run_state *r, job_value *const *given, size_t n, const size_t *outputs,
                   sib_error *err);
/* Nodes `from` to before `to` of the outermost list, as far as they are needed. */
sib_code run_nodes(job_run_state *r, size_t from, size_t to, sib_error *err);
bool run_needs(const job_run_state *r, const job_node *n);
/* in: (n_inputs) receives the node's inputs, one reference each, also where it fails. */
sib_code run_inputs(const job_run_state *r, const job_node *n, job_value **in, sib_error *err);
/* Puts what a node gave, one reference each, into its slots. */
void run_put(job_run_state *r, const job_node *n, job_value **out);
/* out: (n) receives the outputs where code is SIB_OK; otherwise all NULL. Returns the code, or that of a
   failure. */
sib_code run_end(job_run_state *r, sib_code code, size_t n, const size_t *outputs, job_value **out,
                 sib_error *err);

#endif
