/* Cases of ONNX's backend tests: a folder with model.onnx and test_data_set_0, test_data_set_1, and so on, each with
   input_N.pb and output_N.pb. */
#ifndef SIBYL_CONFORM_H
#define SIBYL_CONFORM_H

#include <sibyl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sib_conform_verdict {
    SIB_CONFORM_FAILED = 0,
    SIB_CONFORM_PASSED = 1,
    SIB_CONFORM_SKIPPED = 2 /* it has no test_data_set_0 */
} sib_conform_verdict;

/* 0 and NULL take what sessions take. All is borrowed. */
typedef struct sib_conform_options {
    const sib_open_options *open;
    const sib_session_options *session;
    sib_tolerance tolerance;
    sib_profile *profile; /* takes what ran where; may be NULL */
} sib_conform_options;

typedef struct sib_conform_result {
    sib_conform_verdict verdict;
    bool by_distribution; /* random numbers without a seed: only dtype, dims and distribution were compared */
    /* the reference of a model of half floats kept more precision than the model declares, as a run in double
       shows, and ours is within what rounding explains */
    bool by_double;
    bool recast;    /* the files hold bfloat16 as uint16 */
    size_t outputs; /* compared */
    double seconds;
    char reason[SIB_MESSAGE_SIZE + 60]; /* why it failed or was skipped; "" where it passed */
} sib_conform_result;

/* Opens the model of the case in `folder`, runs every data set, and compares each output for which there is a file: dtype,
   dims, and each element within atol + rtol * |expected|. What is wrong with the case, its model, its files or
   its runs, also where these have no memory, is its verdict and reason. options: may be NULL. Errors: SIB_ERR_MEMORY,
   where not even the case's name has room. Thread-safe. */
SIB_API sib_code sib_conform_case(const char *folder, const sib_conform_options *options,
                                  sib_conform_result *out, sib_error *err);

typedef enum sib_case_side { SIB_CASE_INPUTS = 0, SIB_CASE_OUTPUTS = 1 } sib_case_side;

/* Reads the inputs or the outputs of a data set.
   folder: that of the data set. items: (n_inputs or n_outputs of the model) in its order, each owned by the caller, NULL
   where there is no file; after a failure all are NULL. Files are numbered as inputs without defaults are, unless there
   are as many as inputs. recast: set where files hold bfloat16 as uint16, as those of ONNX 1.12 and before do; may be
   NULL. Errors: those of sib_value_load_pb, led by the file's name; SIB_ERR_MEMORY. */
SIB_API sib_code sib_case_values(const sib_model *m, const char *folder, sib_case_side side,
                                 sib_value **items, bool *recast, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
