/* Files of cases in the layout of the ONNX backend tests: CASE/model.onnx,
   CASE/test_data_set_N/{input,output}_N.pb. */
#ifndef CLI_CASE_FILES_H
#define CLI_CASE_FILES_H

#include <sibyl/sibyl.h>

/* Calls `found` for every case at or below `folder`, in order of names. path: the case's folder, valid during
   the call. */
void case_find(const char *folder, void (*found)(void *context, const char *path), void *context);

/* Values of one side, in order of the model's inputs or outputs. */
typedef struct case_values {
    size_t n;
    sib_value **items; /* (n) owned; NULL: none */
} case_values;

/* Notes of the reader. */
typedef struct case_reading {
    bool recast;                     /* the files hold bfloat16 as uint16 */
    char why[SIB_MESSAGE_SIZE + 60]; /* if reading failed: the file, and why */
} case_reading;

/* Reads the inputs or outputs of a data set (its folder). Returns false if a file cannot be read; release
   `out` with case_values_free in either case. */
bool case_load_inputs(const sib_model *m, const char *folder, case_values *out, case_reading *reading);
bool case_load_outputs(const sib_model *m, const char *folder, case_values *out, case_reading *reading);
void case_values_free(case_values *v);

/* Lists the inputs that exist, by name. given: (in->n); returns how many. */
size_t case_named_inputs(const sib_model *m, const case_values *in, sib_named_value *given);

#endif
