/* The operators that run graphs. From below: what they keep (control.c), their bodies (body.c), the operators: If and
   SequenceMap (branch.c), Loop (loop.c), Scan (scan.c). */
#ifndef RUN_EXECUTE_CONTROL_H
#define RUN_EXECUTE_CONTROL_H

#include "run/execute/frame.h"
#include "run/execute/stack.h"
#include "spec/spec.h"

/* A graph inside a node, run once or many times. */
typedef struct body {
    const graph *g; /* NULL: not made yet */
    executor *ex;
    const sib_value *
        *captured;        /* (g->n_captures) borrowed; NULL for constants, which plans find themselves */
    const sib_value **in; /* (g->inputs.n) borrowed */
    sib_value **out;      /* (g->outputs.n) of the last run; taken by whoever clears the entry */
} body;

/* What such a node works with. It is kept with the node's plan from run to run, holding no values but spare ones. */
typedef struct control {
    body bodies[2];             /* of an If: for true and for false; of others the first */
    size_t n_inputs, n_outputs; /* of the node; of its body */
    size_t n_carried;
    sib_value **carried; /* (n_inputs, n_carried of them in use) owned: what a turn hands to the next */
    slice *slices;       /* (n_inputs) of inputs that are scanned, one a turn */
    slice *rows;         /* (n_inputs) of inputs that are a batch; behind slices */
    size_t n_stacks;
    stack *stacks;     /* (n_outputs, n_stacks of them in use) outputs of one part a turn */
    stack *row_stacks; /* (n_outputs) outputs of one part a row; behind stacks */
    spares iteration, condition;
    dim_binding sizes; /* of the body's symbols, where it takes no turn */
} control;

/* Tables for a node. Errors: SIB_ERR_MEMORY. */
sib_code control_make(const node *n, control **out, sib_error *err);
void control_free(control **c);
/* Lets go of the values of a run. */
void control_clear(control *c);
/* spares_are_many of any value that is spare here, but for one; and spares_trim of all. */
bool control_is_unsettled(const control *c);
void control_trim(control *c, unsigned keep);

/* ---- Bodies ------------------------------------------------------------------------------------------------------ */

/* Lets go of the outputs of its last run. */
void body_clear(body *b);
void body_free(body *b);
/* Makes b ready to run g, attribute `which` of a node, in this frame. n_in: the inputs it must have, SIZE_MAX for any.
   Errors: SIB_ERR_FORMAT, SIB_ERR_MEMORY. */
sib_code body_begin(body *b, const frame *f, const graph *g, const char *which, size_t n_in, sib_error *err);
/* Runs it with b->in. turn < 0: no number in the names that taps see. */
sib_code body_run(body *b, const frame *f, const node *n, int64_t turn, sib_error *err);

/* How many spare values are kept of what a node of f makes for others. */
unsigned control_most(const frame *f);
/* Input i of n, borrowed; NULL where it is omitted. */
sib_code control_input(const frame *f, const node *n, size_t i, const sib_value **out, sib_error *err);
/* Input i of n, which must be there, once more: owned by the caller. */
sib_code control_share(const frame *f, const node *n, size_t i, sib_value **out, sib_error *err);
/* Output i of n is v, which is taken over; it goes where nobody wants it. */
void control_output(frame *f, const node *n, size_t i, sib_value *v);
/* The one element of a tensor of SIB_I64 or SIB_BOOL. */
sib_code control_number(const sib_value *v, sib_dtype dtype, const char *what, int64_t *out, sib_error *err);

/* What *v was, which becomes NULL. */
static inline sib_value *control_take(sib_value **v)
{
    sib_value *taken = *v;
    *v = NULL;
    return taken;
}

/* ---- Loops of both kinds: their bodies give `ahead` values, the carried ones, then a part for each stack ---- */

/* After a turn: carries on what it made, and puts in its parts. Errors: those of stack_put. */
sib_code loop_carry(control *c, size_t ahead, int64_t turn, sib_error *err);
/* Gives symbols among the dims of the body's value `id` the sizes that v has; left_out: an axis of v that the body's
   value lacks, or SIZE_MAX. Errors: SIB_ERR_MEMORY. */
sib_code loop_bind(control *c, value_id id, const sib_value *v, size_t left_out, sib_error *err);
/* The sizes of what a body that takes no turn would read: captures, and carried values as its inputs from `first` on. */
sib_code loop_sizes(control *c, size_t first, sib_error *err);
/* What stack i is in the end; of no turns an empty tensor of the type that the body says, with 0 for dims that c->sizes does
   not give. Errors: SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
sib_code loop_stack(control *c, size_t ahead, size_t i, sib_value **out, sib_error *err);

/* ---- The operators ------------------------------------------------------------------------------------------------- */

/* Runs node n, whose inputs are in f->live or constants; outputs go to f->live. */
typedef sib_code control_fn(frame *f, const node *n, control *c, sib_error *err);
control_fn run_if, run_loop, run_scan, run_sequence_map;

#endif
