/* The operators that run graphs, bottom up: the state that they keep (control.c), their bodies (body.c),
   the operators If and SequenceMap (branch.c), Loop (loop.c), Scan (scan.c). */
#ifndef RUN_EXECUTE_CONTROL_H
#define RUN_EXECUTE_CONTROL_H

#include "run/execute/frame.h"
#include "run/execute/stack.h"
#include "spec/spec.h"

/* A graph inside a node, run once or many times. */
typedef struct body {
    const graph *g; /* NULL: not set up yet */
    executor *ex;
    const sib_value **captured; /* (g->n_captures) borrowed; NULL for constants, which plans look up */
    const sib_value **in;       /* (g->inputs.n) borrowed */
    sib_value **out;            /* (g->outputs.n) of the last run; a taker clears the entry */
} body;

/* State of such a node. It is kept with the node's plan from run to run, with no values but spares. */
typedef struct control {
    control_spec spec;          /* of the node */
    body bodies[2];             /* of an If: for true and for false; of others only the first is used */
    size_t n_inputs, n_outputs; /* of the node; of its body */
    size_t n_carried;
    sib_value **carried; /* (n_inputs, n_carried in use) owned: passed to the next iteration */
    slice *slices;       /* (n_inputs) of scanned inputs, one per iteration */
    slice *rows;         /* (n_inputs) of batched inputs; follows slices in memory */
    size_t n_stacks;
    stack *stacks;     /* (n_outputs, n_stacks in use) outputs of one part per iteration */
    stack *row_stacks; /* (n_outputs) outputs of one part per row; follows stacks */
    spares iteration, condition;
    dim_binding sizes; /* of the body's symbols, where it runs no iteration */
} control;

/* Allocates the tables for a node. Errors: SIB_ERR_MEMORY. */
sib_code control_make(const node *n, control **out, sib_error *err);
void control_free(control **c);
/* Releases the values of a run. */
void control_clear(control *c);
/* control_is_unsettled: whether spares_are_many(.., 1) for any spares of c. control_trim: spares_trim for
   all of them. */
bool control_is_unsettled(const control *c);
void control_trim(control *c, unsigned keep);

/* ---- Bodies -------------------------------------------------------------------------------------------- */

/* Releases the outputs of its last run. */
void body_clear(body *b);
void body_free(body *b);
/* Makes b ready to run g, attribute `which` of a node, in this frame. n_in: the required number of inputs,
   SIZE_MAX for any. Errors: SIB_ERR_FORMAT, SIB_ERR_MEMORY. */
sib_code body_begin(body *b, const frame *f, const graph *g, const char *which, size_t n_in, sib_error *err);
/* Runs it on b->in. iteration: its number, for the names that taps see; < 0: no number in them. */
sib_code body_run(body *b, const frame *f, const node *n, int64_t iteration, sib_error *err);

/* Number of spares kept for each value that a node of f makes. */
unsigned control_max_spares(const frame *f);
/* Input i of n, borrowed; NULL where it is omitted. */
sib_code control_input(const frame *f, const node *n, size_t i, const sib_value **out, sib_error *err);
/* A reference to input i of n, owned by the caller. Errors: SIB_ERR_ARGUMENT (omitted). */
sib_code control_share(const frame *f, const node *n, size_t i, sib_value **out, sib_error *err);
/* Sets output i of n to v, which it takes over; frees v where the output is omitted. */
void control_output(frame *f, const node *n, size_t i, sib_value *v);
/* The only element of a tensor of SIB_I64 or SIB_BOOL. */
sib_code control_number(const sib_value *v, sib_dtype dtype, const char *what, int64_t *out, sib_error *err);

/* Returns *v and sets it to NULL. */
static inline sib_value *control_take(sib_value **v)
{
    sib_value *taken = *v;
    *v = NULL;
    return taken;
}

/* ---- Loop and Scan: bodies return `ahead` values, the carried values, then a part for each stack ---- */

/* After iteration `index`: carries its values over and stacks its parts. Errors: those of stack_put. */
sib_code loop_carry(control *c, size_t ahead, int64_t index, sib_error *err);
/* Binds symbols among the dims of the body's value `id` to the dims of v. left_out: an axis of v that the
   body's value lacks, or SIZE_MAX. Errors: SIB_ERR_MEMORY. */
sib_code loop_bind(control *c, value_id id, const sib_value *v, size_t left_out, sib_error *err);
/* Binds the symbols of a body that runs no iteration: from captures, and from carried values as its inputs
   from `first` on. */
sib_code loop_sizes(control *c, size_t first, sib_error *err);
/* The finished stack i; after no iterations an empty tensor of the type that the body declares, with 0 for
   dims that c->sizes does not give. Errors: SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
sib_code loop_stack(control *c, size_t ahead, size_t i, sib_value **out, sib_error *err);

/* ---- The operators ------------------------------------------------------------------------------------- */

/* Runs node n, whose inputs are in f->live or constants; puts its outputs into f->live. */
typedef sib_code control_fn(frame *f, const node *n, control *c, sib_error *err);
control_fn run_if, run_loop, run_scan, run_sequence_map;

#endif
