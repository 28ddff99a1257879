/* Errors of the library: one sentence that names what failed. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <sibyl/base.h>

#ifdef __FAST_MATH__
#error "Sibyl needs IEEE arithmetic: build without -ffast-math"
#endif

#define ERR_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Fills *err (unless it is NULL or already holds a failure) and returns `code`:
       return err_set(err, SIB_ERR_IO, "%s: %s", path, strerror(errno));
   Messages that do not fit are cut at a UTF-8 boundary. */
sib_code err_set(sib_error *err, sib_code code, const char *format, ...) ERR_PRINTF(3, 4);

/* The same, with the byte offset in the file being read. */
sib_code err_set_at(sib_error *err, sib_code code, uint64_t offset, const char *format, ...) ERR_PRINTF(4, 5);

/* Reports a failed allocation of `bytes` for `what`. */
sib_code err_memory(sib_error *err, size_t bytes, const char *what);

#endif
