/* RNN, GRU and LSTM of many steps, which a plan would unroll: they run in chunks of steps that carry the
   states over. Every step computes what it would compute unrolled, so on `ref` the values are identical to
   the bit. */
#ifndef RUN_EXECUTE_RECURRENT_H
#define RUN_EXECUTE_RECURRENT_H

#include "run/execute/control.h"

/* Makes the graph that runs a chunk of steps of n, with the states among its inputs and outputs. Errors:
   SIB_ERR_MEMORY. */
sib_code recurrent_graph(const node *n, one_node **out, sib_error *err);

/* Runs n, which has more than RECURRENT_UNROLLED steps. */
control_fn run_recurrent;

#endif
