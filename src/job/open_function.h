/* Models that a document says as ONNX functions in text. */
#ifndef JOB_OPEN_FUNCTION_H
#define JOB_OPEN_FUNCTION_H

#include "job/document/doc.h"

/* Makes the model that calls the last function of m->text. *out: sib_model_free. Errors: SIB_ERR_FORMAT at the model's
   place (the text, with line and column; a type; what the function lacks), SIB_ERR_MEMORY. */
sib_code job_open_function(const job_doc *d, const job_model_doc *m, sib_model **out, sib_error *err);

#endif
