/* NumPy's basic slices: "0:2,:,5", "...,-1", "::-2". */
#ifndef SIB_SERVER_SLICE_H
#define SIB_SERVER_SLICE_H

#include <sibyl/sibyl.h>

/* The elements of t that text names, all of them where it is NULL or "". out: owned by the caller, a view where that can
   be had. dense: elements that are not consecutive are copied, at most max_bytes of them, as are those of types below a
   byte in both cases. Errors: SIB_ERR_ARGUMENT (text, an index out of range), SIB_ERR_SIZE (more to copy than
   max_bytes), SIB_ERR_MEMORY. */
sib_code slice_take(const sib_tensor *t, const char *text, bool dense, uint64_t max_bytes, sib_tensor **out,
                    sib_error *err);

#endif
