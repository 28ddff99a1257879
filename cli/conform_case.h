/* One case in the layout of the ONNX backend tests: CASE/model.onnx, CASE/test_data_set_N/{input,output}_N.pb. */
#ifndef CLI_CONFORM_CASE_H
#define CLI_CONFORM_CASE_H

#include <sibyl/sibyl.h>

typedef enum case_verdict { CASE_FAILED, CASE_PASSED, CASE_SKIPPED } case_verdict;

typedef struct conform_settings {
    const char *backend; /* names in order, or NULL */
    sib_tolerance tolerance;
} conform_settings;

typedef struct conform_case {
    char *path, *name; /* the folder, and what it is called in reports; released with free */
    case_verdict verdict;
    bool
        by_distribution; /* an output is a draw that cannot be repeated: dtype, dims and distribution were compared */
    size_t outputs; /* compared */
    double seconds;
    char reason[700]; /* why it failed or was skipped */
} conform_case;

/* Opens the model and runs every data set; each output that is there is compared. */
void conform_case_run(conform_case *c, const conform_settings *settings);

#endif
