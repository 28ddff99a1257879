/* SIB_ASSERT(condition): states what only a bug in the library can violate. Where SIBYL_ASSERTIONS is set
   (the presets debug, asan and tsan), a false condition is printed to stderr with its file and line, and
   the process aborts; nothing else in the library does either. Otherwise the condition is compiled but not
   evaluated, so it must have no side effects. Mistakes of a caller, a file or the network are errors with
   a sib_code, never assertions. */
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

/* For conditions: alignment in bytes, a power of 2; ranges of bytes that do not overlap. */
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
