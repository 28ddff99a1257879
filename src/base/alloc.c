/* Invariants: each block is preceded by a header of at most MEM_ALIGN bytes with its payload size, so that
   frees can be counted, and with the pointer from malloc. Blocks are aligned here rather than by
   posix_memalign: glibc's splits a chunk in pieces that prevent the hole from being reused for the same
   size, so that the heap grows with each pair of calls and every call pays for new pages. The counters are
   atomic, and are with the test hook the library's only mutable globals. */
#include "base/alloc.h"

#include "base/assert.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    size_t bytes;
    void *base;
} header;

_Static_assert(sizeof(header) <= MEM_ALIGN, "the header fits before the payload");

static atomic_uint_fast64_t n_allocations, n_frees, bytes_current, bytes_peak;
static atomic_uint_fast64_t successes_left = UINT64_MAX; /* UINT64_MAX: never fail */

static bool may_allocate(void)
{
    uint_fast64_t left = atomic_load_explicit(&successes_left, memory_order_relaxed);
    while (left != UINT64_MAX) {
        if (left == 0)
            return false;
        if (atomic_compare_exchange_weak(&successes_left, &left, left - 1))
            return true;
    }
    return true;
}

static void count_alloc(size_t bytes)
{
    atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
    uint_fast64_t now = atomic_fetch_add_explicit(&bytes_current, bytes, memory_order_relaxed) + bytes;
    uint_fast64_t peak = atomic_load_explicit(&bytes_peak, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak(&bytes_peak, &peak, now))
        ;
}

static void count_free(size_t bytes)
{
    SIB_ASSERT(atomic_load_explicit(&bytes_current, memory_order_relaxed) >= bytes);
    atomic_fetch_add_explicit(&n_frees, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&bytes_current, bytes, memory_order_relaxed);
}

static header *header_of(void *block)
{
    return (header *)((char *)block - MEM_ALIGN);
}

void *mem_alloc(size_t n, size_t size)
{
    size_t bytes, total;
    char *base;
    if (__builtin_mul_overflow(n, size, &bytes) || __builtin_add_overflow(bytes, 2 * MEM_ALIGN, &total))
        return NULL;
    if (!may_allocate() || !(base = malloc(total)))
        return NULL;
    /* Leaves at least a header's room before the payload, since malloc aligns to 16, which divides
       MEM_ALIGN. */
    char *block = base + 2 * MEM_ALIGN - (uintptr_t)base % MEM_ALIGN;
    SIB_ASSERT((uintptr_t)block % MEM_ALIGN == 0);
    SIB_ASSERT(block - base >= MEM_ALIGN && block + bytes <= base + total);
    *header_of(block) = (header){.bytes = bytes, .base = base};
    count_alloc(bytes);
    return block;
}

void *mem_calloc(size_t n, size_t size)
{
    void *block = mem_alloc(n, size);
    if (block)
        memset(block, 0, header_of(block)->bytes);
    return block;
}

void *mem_realloc(void *block, size_t n, size_t size)
{
    void *grown = mem_alloc(n, size);
    if (!grown || !block)
        return grown;
    size_t old = header_of(block)->bytes, new = header_of(grown)->bytes;
    memcpy(grown, block, old < new ? old : new);
    mem_free(block);
    return grown;
}

void mem_free(void *block)
{
    if (!block)
        return;
    SIB_ASSERT((uintptr_t)block % MEM_ALIGN == 0);
    /* a block of mem_alloc: its header points to malloc's block */
    SIB_ASSERT((uintptr_t)header_of(block)->base + MEM_ALIGN <= (uintptr_t)block);
    SIB_ASSERT((uintptr_t)block <= (uintptr_t)header_of(block)->base + 2 * MEM_ALIGN);
    count_free(header_of(block)->bytes);
    free(header_of(block)->base);
}

char *mem_strdup(const char *s)
{
    size_t bytes = strlen(s) + 1;
    char *copy = mem_alloc(bytes, 1);
    if (copy)
        memcpy(copy, s, bytes);
    return copy;
}

void mem_fail_after(uint64_t successes)
{
    atomic_store(&successes_left, successes);
}

void mem_fail_never(void)
{
    atomic_store(&successes_left, UINT64_MAX);
}

void sib_free(void *block)
{
    mem_free(block);
}

void sib_alloc_counters_get(sib_alloc_counters *out)
{
    out->allocations = atomic_load(&n_allocations);
    out->frees = atomic_load(&n_frees);
    out->bytes_current = atomic_load(&bytes_current);
    out->bytes_peak = atomic_load(&bytes_peak);
}
