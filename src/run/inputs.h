/* Inputs of a run: matched by name, checked against the model. */
#ifndef RUN_INPUTS_H
#define RUN_INPUTS_H

#include "run/session.h"

/* Index of the value called `name` in `list`, the inputs or outputs of g; list->n where there is none. */
uint32_t end_place(const graph *g, const id_list *list, const char *name);

/* Lists `inputs` (n) in the order of the inputs of g. in: (inputs of g), NULL at first; borrowed values, NULL
   where the model's default is taken. *differ: set where a symbol has different sizes in several inputs.
   Errors: SIB_ERR_ARGUMENT (names the input), SIB_ERR_MEMORY. */
sib_code inputs_match(sib_session *s, const graph *g, size_t n, const sib_named_value *inputs,
                      const sib_value **in, bool *differ, sib_error *err);

#endif
