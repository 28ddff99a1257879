/* One call of a model: ports mapped to a session's inputs and outputs, with state kept from call to call. */
#ifndef JOB_CALL_H
#define JOB_CALL_H

#include "job/doc.h"
#include "job/watch.h"

/* A model cut to what one call needs, with its session: one per job, shared by its runs. */
typedef struct call_plan call_plan;
/* The call in one run. */
typedef struct job_call job_call;

/* Makes the plan of call `number`: the part of the model that computes the call's outputs, its state, and
   what other calls take as context. models: (d->n_models) opened. out: call_plan_free(&p). Errors:
   SIB_ERR_FORMAT names the call and what the model lacks. */
sib_code call_plan_make(const job_doc *d, size_t number, sib_model *const *models,
                        const sib_session_options *options, call_plan **out, sib_error *err);
void call_plan_free(call_plan **p);

/* A pair of names after its pattern is expanded: "scores.3" to "cross_weights.3". */
typedef struct call_port {
    char *port, *value;
    const job_pair *pair;
    sib_value_info info; /* of the model's input or output */
} call_port;
const call_port *call_plan_input(const call_plan *p, size_t i);  /* NULL where i is out of range */
const call_port *call_plan_output(const call_plan *p, size_t i); /* NULL where i is out of range */
/* Index of a port, or NO_INDEX. */
size_t call_plan_input_named(const call_plan *p, const char *port);
size_t call_plan_output_named(const call_plan *p, const char *port);
/* The model's metadata under a key, or NULL. */
const char *call_plan_metadata(const call_plan *p, const char *key);
/* The session that runs the call, borrowed. */
sib_session *call_plan_session(const call_plan *p);
/* The model's input for state i; NULL where i is out of range. */
const sib_value_info *call_plan_state(const call_plan *p, size_t i);

/* The output that state i is given from; NULL where i is out of range. */
const char *call_plan_next(const call_plan *p, size_t i);
/* The call's name in the document. */
const char *call_plan_name(const call_plan *p);
/* Whether each call stands alone but for its state: no context of other calls, none for others, and a state that begins
   without rows. */
bool call_plan_is_apart(const call_plan *p);

/* of: the call in this run that supplies the context, or NULL. watch: may be NULL. batch: makes the steps of the call if
   it is of this plan; may be NULL. */
sib_code job_call_begin(const call_plan *p, job_call *of, const job_watch *watch,
                        const struct sib_batch *batch, job_call **out, sib_error *err);
void job_call_end(job_call **c);
const call_plan *job_call_plan(const job_call *c);

/* Calls the model. in: (inputs of the plan) NULL where the fixed value serves; converted to the model's type
   and rank (leading axes of 1 are added). out: (outputs of the plan) receives the outputs, owned by the
   caller; all NULL after a failure. Errors: SIB_ERR_ARGUMENT naming call and port, and those of the
   session. */
sib_code job_call_run(job_call *c, job_value *const *in, sib_value **out, sib_error *err);
/* Sets the state to that of a new run: the document's `dims` and `fill`, otherwise zeros, where an open dim
   is 1 on the first axis and 0 on others. */
void job_call_reset(job_call *c);
/* Row i along the first axis of every state becomes the former row from[i]. from: (n). Errors:
   SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
sib_code job_call_reorder(job_call *c, size_t n, const size_t *from, sib_error *err);

#endif
