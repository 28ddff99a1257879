/* Converts numbers to text and back, independently of the locale. */
#ifndef TENSOR_TEXT_H
#define TENSOR_TEXT_H

#include "base/cancel.h"
#include <sibyl/tensor.h>

/* Max text of a number: a complex one has two of up to 24 characters. */
#define TEXT_MAX 64

/* Formats the number at `data`, of a type that is not packed. Errors: SIB_ERR_MEMORY. */
sib_code text_from_number(sib_dtype dtype, const void *data, char text[TEXT_MAX], size_t *length,
                          sib_error *err);

/* Fills the dense tensor `to` from t, of the same dims; exactly one of the two has strings. cancel
   may be NULL. Errors: SIB_ERR_MEMORY, SIB_ERR_VALUE, SIB_ERR_CANCELLED. */
sib_code text_convert(const sib_tensor *t, sib_tensor *to, sib_overflow overflow,
                      const struct sib_cancel *cancel, sib_error *err);

#endif
