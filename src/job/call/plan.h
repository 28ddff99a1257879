/* Plan of one call of a model: its ports mapped to a session's inputs and outputs. */
#ifndef JOB_CALL_PLAN_H
#define JOB_CALL_PLAN_H

#include "job/document/doc.h"

/* A model cut to what one call needs, with its session: one per job, shared by its runs. */
typedef struct call_plan call_plan;

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
/* The one that runs it where nobody watches: of the form with buffers, where the call has that. */
sib_session *call_plan_unwatched(const call_plan *p);
/* The model's input for state i; NULL where i is out of range. */
const sib_value_info *call_plan_state(const call_plan *p, size_t i);

/* The output that state i is given from; NULL where i is out of range. */
const char *call_plan_next(const call_plan *p, size_t i);
/* The call's name in the document. */
const char *call_plan_name(const call_plan *p);
/* Whether each call is given the tokens of those before as well. */
bool call_plan_has_history(const call_plan *p);
/* Whether each call stands alone but for its state: no context of other calls, none for others, and a state that begins
   without rows. */
bool call_plan_is_apart(const call_plan *p);

#endif
