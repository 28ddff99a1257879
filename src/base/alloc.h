/* All allocations of the library: counted, overflow-checked, and able to fail on demand. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H

#include <sibyl/base.h>

/* Alignment of all blocks, for vectors and cache lines. */
#define MEM_ALIGN 64
/* What a block takes beside its n * size bytes: alignment and malloc's header. It counts towards the limit
   (sib_memory_limit_set), not in sib_alloc_counters. */
#define MEM_BLOCK_BYTES (MEM_ALIGN + 16)

/* Allocates n * size bytes aligned to MEM_ALIGN, uninitialized. Returns NULL where memory fails or the
   product overflows. A block of 0 bytes is a valid, unique pointer. Release with mem_free (or sib_free). */
void *mem_alloc(size_t n, size_t size);

/* The same, zeroed. */
void *mem_calloc(size_t n, size_t size);

/* Resizes to n * size bytes, keeping what fits; on NULL `block` is unchanged. block may be NULL. */
void *mem_realloc(void *block, size_t n, size_t size);

void mem_free(void *block);

/* Copies a NUL-terminated string. */
char *mem_strdup(const char *s);

/* For tests: the next `successes` allocations succeed, then all fail until mem_fail_never(). */
void mem_fail_after(uint64_t successes);
/* The same, but only one fails: finds a failure that is passed over. */
void mem_fail_once(uint64_t successes);
void mem_fail_never(void);

#endif
