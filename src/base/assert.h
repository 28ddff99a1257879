/* SIB_ASSERT(condition): states what only a bug in the library can break. Where SIBYL_ASSERTIONS is set (the presets
   debug, asan and tsan) a false condition is printed to stderr with its file and line, and the process aborts: the one
   place where the library may do either. Elsewhere the condition is compiled and not evaluated, so it must have no side
   effects. What a caller, a file or the network may get wrong is an error with a sib_code, never an assertion. */
#ifndef BASE_ASSERT_H
#define BASE_ASSERT_H

#if defined(SIBYL_ASSERTIONS)
#define SIB_ASSERT(condition) ((condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))
#else
#define SIB_ASSERT(condition) ((void)(0 && (condition)))
#endif

_Noreturn void assert_failed(const char *condition, const char *file, int line);

#endif
