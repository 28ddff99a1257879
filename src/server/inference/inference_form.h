/* What a request of the Open Inference Protocol asks for. */
#ifndef SIB_SERVER_INFERENCE_FORM_H
#define SIB_SERVER_INFERENCE_FORM_H

#include <jansson.h>
#include <sibyl/sibyl.h>

typedef struct inference_form {
    const char *id; /* the client's, or NULL; lives as long as the body */
    size_t n_inputs, n_outputs;
    sib_named_value *inputs; /* (n_inputs) names are the model's, values owned */
    const char **outputs;    /* (n_outputs) the model's names, in the order of the answer */
    bool *binary;            /* (n_outputs) as bytes */
} inference_form;

/* Reads the JSON of a request for m, and the bytes that follow it, which both must outlive the form: elements stay where
   they stand. inference_form_clear(out) in both cases. Errors: SIB_ERR_ARGUMENT and SIB_ERR_UNSUPPORTED with the name of
   what is wrong, SIB_ERR_MEMORY. */
sib_code inference_form_read(const sib_model *m, const json_t *body, const char *bytes, size_t n_bytes,
                             inference_form *out, sib_error *err);
void inference_form_clear(inference_form *f);

/* Whether an output can be answered. kind and dtype: 0 where they are not known yet, which is no fault. Errors:
   SIB_ERR_UNSUPPORTED. */
sib_code inference_check_output(const char *name, sib_value_kind kind, sib_dtype dtype, bool binary,
                                sib_error *err);

#endif
