/* Every allocation of the library goes through here: counted, overflow-checked, and able to fail on demand. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <sibyl/base.h>

/* Vectors and cache lines want this. */
#define MEM_ALIGN 64

/* n * size bytes aligned to MEM_ALIGN, not cleared. NULL where memory cannot be had or the product overflows.
   A block of 0 bytes is a valid, unique pointer. Release with mem_free (or sib_free). */
void *mem_alloc(size_t n, size_t size);

/* The same, cleared. */
void *mem_calloc(size_t n, size_t size);

/* Grows or shrinks to n * size bytes, keeping what fits; NULL leaves `block` as it was. block may be NULL. */
void *mem_realloc(void *block, size_t n, size_t size);

void mem_free(void *block);

/* A copy of a NUL-terminated string. */
char *mem_strdup(const char *s);

/* For tests: the next `successes` allocations succeed, then every one fails, until mem_fail_never(). */
void mem_fail_after(uint64_t successes);
void mem_fail_never(void);

#endif
