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

/* Where assertions are on, which static analysis is one case of, the caller sees that they don't return
   SIB_OK. */
#if defined(SIBYL_ASSERTIONS)
#include "base/assert.h"
/* no function, into which an analysis would have to look */
#define err_failed(call)                                                                                     \
    __extension__({                                                                                          \
        const sib_code err_code_of_call = (call);                                                            \
        SIB_ASSERT(err_code_of_call != SIB_OK);                                                              \
        err_code_of_call;                                                                                    \
    })
#define err_set(...)    err_failed(err_set(__VA_ARGS__))
#define err_set_at(...) err_failed(err_set_at(__VA_ARGS__))
#define err_memory(...) err_failed(err_memory(__VA_ARGS__))
#endif

#endif
