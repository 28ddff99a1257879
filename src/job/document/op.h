/* What a document needs to know of a kind of node; job/nodes/nodes.h has what runs one. */
#ifndef JOB_DOCUMENT_OP_H
#define JOB_DOCUMENT_OP_H

#include <sibyl/job.h>

struct job_step;

typedef struct job_port {
    const char *name;
    sib_port_type type;
    bool required;
    const char *meaning;
} job_port;

typedef struct job_op {
    const char *name, *meaning;
    const job_port *inputs, *outputs; /* (n_inputs), (n_outputs) */
    size_t n_inputs, n_outputs;
    const char *const
        *calls; /* (n_calls) names under "calls" of the node; the first `n_needed` are required */
    size_t n_calls, n_needed;
    bool tokenizer;    /* the node names a tokenizer */
    bool may_tokenize; /* it may name one */
    bool loop;         /* has a body, which the runner runs */
    bool call;         /* its ports are those of its call */
    sib_code (*run)(struct job_step *s, sib_error *err);
    void (*forget)(void *memory); /* or NULL */
} job_op;

#endif
