/* SIB_ASSERT(condition): states what only a bug in the library can break. Where SIBYL_ASSERTIONS is set (the presets
   debug, asan and tsan) a false condition is printed to stderr with its file and line, and the process aborts: the one
   place where the library may do either. Elsewhere the condition is compiled and not evaluated, so it must have no side
   effects. What a caller, a file or the network may get wrong is an error with a sib_code, never an assertion. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(SIBYL_ASSERTIONS)
#define SIB_ASSERT(condition) ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))
#else
#define SIB_ASSERT(condition) ((void)(0 && (condition)))
#endif

/* For conditions: bytes of alignment, a power of 2; two ranges of bytes that share none. */
static inline bool mem_is_aligned(const void *p, size_t bytes)
{
    return (uintptr_t)p % bytes == 0;
}

static inline bool mem_are_apart(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;
    return x + a_bytes <= y || y + b_bytes <= x;
}

_Noreturn void assert_failed(const char *condition, const char *file, int line);

#endif
