/* One case in the layout of the ONNX backend tests: CASE/model.onnx,
   CASE/test_data_set_N/{input,output}_N.pb. */
#ifndef CLI_CONFORM_CASE_H
#define CLI_CONFORM_CASE_H

#include "shared_options.h"

#include <sibyl/sibyl.h>

typedef enum case_verdict { CASE_FAILED, CASE_PASSED, CASE_SKIPPED } case_verdict;

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
    char *path, *name; /* the folder, and its name in reports; released with free */
    case_verdict verdict;
    bool by_distribution;            /* random output: only dtype, dims and distribution were compared */
    bool by_double;                  /* half floats whose reference kept more precision: see conform_case.c */
    bool recast;                     /* the files hold bfloat16 as uint16 */
    const case_exception *exception; /* the one that applied, or NULL */
    size_t outputs;                  /* compared */
    double seconds;
    char reason[700]; /* why it failed or was skipped */
} conform_case;

/* Opens the model, runs every data set and compares each output for which a file exists. */
void conform_case_run(conform_case *c, const conform_settings *settings);

#endif
