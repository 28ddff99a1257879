/* Tensors taken apart along an axis and put together again, for loops. */
#ifndef RUN_STACK_H
#define RUN_STACK_H

#include <sibyl/value.h>

/* The part of t at `index` along `axis`, without that axis. Errors: SIB_ERR_ARGUMENT, SIB_ERR_MEMORY. */
sib_code stack_part(const sib_tensor *t, int64_t axis, int64_t index, sib_value **out, sib_error *err);

/* n > 0 tensors of one dtype and the same dims, side by side along a new axis. Errors: SIB_ERR_ARGUMENT naming what
   differs, SIB_ERR_MEMORY. */
sib_code stack_join(size_t n, sib_value *const *parts, int64_t axis, sib_value **out, sib_error *err);

#endif
