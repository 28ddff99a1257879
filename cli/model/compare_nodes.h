/* Each node of a model on the values of a reference side, judged by what rounding explains. */
#ifndef CLI_COMPARE_NODES_H
#define CLI_COMPARE_NODES_H

#include "model/compare_runs.h"
#include "model/model_inputs.h"

/* The reference side: a recording of a run, or the values of another runtime. */
typedef struct reference {
    recording a;
    const dump *theirs; /* or NULL */
} reference;

/* Compares the nodes with sib_diff_create; out is empty where no value is on both sides. Its names live as long
   as m, its `judged.theirs` and `judged.problem` not. Returns false, with a line on stderr, where something
   fails. */
bool compare_nodes(sib_model *m, const sib_diff_options *how, const model_inputs *in, const reference *r,
                   comparison *out);

#endif
