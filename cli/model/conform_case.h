/* One case in the layout of the ONNX backend tests: CASE/model.onnx,
   CASE/test_data_set_N/{input,output}_N.pb. */
#ifndef CLI_CONFORM_CASE_H
#define CLI_CONFORM_CASE_H

#include "shared_options.h"

#include <sibyl/sibyl.h>

/* A case whose reference is known to be inexact, and why. */
typedef struct case_exception {
    char *name, *reason; /* released with free */
    sib_tolerance tolerance;
    bool any_input_dims; /* its inputs do not have the dims that its model declares */
} case_exception;

typedef struct conform_settings {
    const char *backend; /* names in order, or NULL */
    pass_settings passes;
    sib_registry *registry; /* may be NULL */
    sib_tolerance tolerance;
    const case_exception *exceptions; /* (n_exceptions) */
    size_t n_exceptions;
    sib_profile *profile; /* takes what ran where; may be NULL */
} conform_settings;

typedef struct conform_case {
    char *path, *name;               /* the folder, and its name in reports; released with free */
    const case_exception *exception; /* the one that applied, or NULL */
    sib_conform_result result;
} conform_case;

/* Runs the case, by its exception where it has one. */
void conform_case_run(conform_case *c, const conform_settings *settings);

#endif
