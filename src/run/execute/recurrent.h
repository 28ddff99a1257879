/* RNN, GRU and LSTM of many steps, which a plan would unroll: run in chunks of steps, the states carried from one to the
   next. Every step computes what it would compute unrolled, so on `ref` the values are the same to the bit. */
#ifndef RUN_EXECUTE_RECURRENT_H
#define RUN_EXECUTE_RECURRENT_H

#include "run/execute/control.h"

/* The graph that runs a chunk of steps of n: its inputs and outputs with the states among both. Errors: SIB_ERR_MEMORY. */
sib_code recurrent_graph(const node *n, one_node **out, sib_error *err);

/* Runs n, of more than RECURRENT_UNROLLED steps. */
control_fn run_recurrent;

#endif
