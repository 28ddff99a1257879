/* Numbers as text and back, whatever the locale of the process. */
#ifndef TENSOR_TEXT_H
#define TENSOR_TEXT_H

#include <sibyl/tensor.h>

/* Holds the text of any number: a complex one has two of up to 24 characters. */
#define TEXT_MAX 64

/* Text of the number at `data`, of a type that is not packed. Errors: SIB_ERR_MEMORY. */
sib_code text_from_number(sib_dtype dtype, const void *data, char text[TEXT_MAX], size_t *length,
                          sib_error *err);

/* Fills `to`, which is dense, from t, whose dims are the same: one of the two is of strings, not both.
   Errors: SIB_ERR_MEMORY, SIB_ERR_VALUE. */
sib_code text_convert(const sib_tensor *t, sib_tensor *to, sib_overflow overflow, sib_error *err);

#endif
