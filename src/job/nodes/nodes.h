/* Kinds of nodes: one row each in ops.c, with its ports and the function that runs it. */
#ifndef JOB_NODES_NODES_H
#define JOB_NODES_NODES_H

#include "job/call/call.h"
#include "job/document/op.h"
#include "job/watch.h"
#include <sibyl/text.h>

/* One execution of a node. */
typedef struct job_step {
    const job_node *node;
    job_value *const *in;           /* (node->n_inputs) NULL for an omitted input */
    job_value **out;                /* (node->n_outputs) filled by the op */
    const bool *wanted;             /* (node->n_outputs) false where nobody reads the output, which may stay
                                       NULL */
    job_call **calls;               /* (op->n_calls) NULL for a call that the node lacks */
    const sib_tokenizer *tokenizer; /* or NULL */
    sib_pool *pool;
    const job_watch *watch;
    uint64_t max_steps; /* max iterations of a loop */
    void **memory;      /* kept between executions in one run, starts as NULL; op->forget frees it */
} job_step;

/* Value of a port, or `otherwise` where it is omitted. */
double step_number(const job_step *s, size_t port, double otherwise);
bool step_flag(const job_step *s, size_t port, bool otherwise);
const char *step_text(const job_step *s, size_t port, const char *otherwise);
/* An integer from lo to hi. Errors: SIB_ERR_ARGUMENT naming node and port. */
sib_code step_count(const job_step *s, size_t port, size_t otherwise, size_t lo, size_t hi, size_t *out,
                    sib_error *err);
/* A number from lo to hi. Errors: likewise. */
sib_code step_range(const job_step *s, size_t port, double otherwise, double lo, double hi, double *out,
                    sib_error *err);
/* Numbers of a port of numbers or of one number; n is 0 where it is omitted. */
void step_numbers(const job_step *s, size_t port, const double **data, size_t *n);
void step_texts(const job_step *s, size_t port, const char *const **data, size_t *n);
/* Samples of an audio port: (*n) float32, one channel. Errors: SIB_ERR_ARGUMENT. */
sib_code step_samples(const job_step *s, size_t port, const float **samples, size_t *n, sib_error *err);
/* Sets output i, taking v over; v NULL means that memory could not be allocated. */
sib_code step_give(job_step *s, size_t i, job_value *v, sib_error *err);
/* Sets output i to a tensor float32 of dims (rank); *data: its elements, zero, which the caller fills. */
sib_code step_give_floats(job_step *s, size_t i, size_t rank, const int64_t *dims, float **data,
                          sib_error *err);

/* The kinds of a document's nodes; ends with NULL. */
extern const job_op *const job_ops[];
/* Its rows, each defined in its file. */
extern const job_op job_op_features, job_op_windows, job_op_spans, job_op_tokenize, job_op_detokenize,
    job_op_sample, job_op_score, job_op_fill, job_op_pool, job_op_call, job_op_loop, job_op_transcribe,
    job_op_decode, job_op_ctc, job_op_recognise, job_op_transduce, job_op_spell, job_op_speak, job_op_say,
    job_op_utter;

#endif
