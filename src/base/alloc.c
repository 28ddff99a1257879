/* Invariants: each block is preceded by a header with its payload size, so that frees can be counted, and
   with the pointer from malloc. Blocks are aligned here rather than by
   posix_memalign: glibc's splits a chunk in pieces that prevent the hole from being reused for the same
   size, so that the heap grows with each pair of calls and every call pays for new pages. The counters and
   the limit are atomic, and are with the test hook the library's only mutable globals. */
#include "base/alloc.h"

#include "base/assert.h"
#include "base/memory.h"

#include <sibyl/timing.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_PAGE ((uintptr_t)2 << 20)

typedef struct {
    size_t bytes;
    void *base;
} header;

/* From a multiple of this size, as malloc returns, to the next multiple of MEM_ALIGN there is room for it. */
_Static_assert(sizeof(header) <= _Alignof(max_align_t), "the header fits before the payload");
_Static_assert(MEM_ALIGN % sizeof(header) == 0, "the header fits before the payload");

static atomic_uint_fast64_t n_allocations, n_frees, bytes_current, bytes_peak;
static atomic_uint_fast64_t successes_left = UINT64_MAX; /* UINT64_MAX: never fail */
static atomic_bool fails_once;

static bool may_allocate(void)
{
    uint_fast64_t left = atomic_load_explicit(&successes_left, memory_order_relaxed);
    while (left != UINT64_MAX) {
        if (left == 0) {
            if (atomic_load(&fails_once))
                atomic_store(&successes_left, UINT64_MAX);
            return false;
        }
        if (atomic_compare_exchange_weak(&successes_left, &left, left - 1))
            return true;
    }
    return true;
}

/* ---- The limit --------------------------------------------------------------------------------------- */

/* What the machine has left is looked up again each time that the process holds half as much more. */
#define FIRST_LOOK (UINT64_C(256) << 20)

static atomic_uint_fast64_t limit_given; /* 0: by the machine */
static atomic_uint_fast64_t next_look;   /* bytes up to which nothing is looked up */
static atomic_uint_fast64_t refused_at;  /* the limit that refused an allocation; 0: none since mem_refused */

void sib_memory_limit_set(uint64_t bytes)
{
    atomic_store(&limit_given, bytes);
    atomic_store(&next_look, 0);
}

/* The variable SIBYL_MEMORY, in megabytes; 0 where it is not set. */
static uint64_t limit_of_environment(void)
{
    const char *text = getenv("SIBYL_MEMORY");
    uint64_t megabytes = text ? strtoull(text, NULL, 10) : 0;
    return megabytes < UINT64_MAX / 1000000 ? megabytes * 1000000 : UINT64_MAX;
}

/* Whether the process may hold so many bytes. */
static bool may_hold(uint64_t bytes)
{
    uint64_t limit = atomic_load_explicit(&limit_given, memory_order_relaxed), look = UINT64_MAX;
    if (!limit)
        limit = limit_of_environment();
    if (!limit) {
        look = bytes < FIRST_LOOK ? FIRST_LOOK : bytes + bytes / 2;
        limit = bytes < FIRST_LOOK ? FIRST_LOOK : memory_room("") / 8 * 7;
    }
    if (bytes > limit) {
        atomic_store(&refused_at, limit);
        return false;
    }
    atomic_store_explicit(&next_look, look < limit ? look : limit, memory_order_relaxed);
    return true;
}

uint64_t mem_refused(void)
{
    return atomic_exchange(&refused_at, 0);
}

/* ---- Counting ---------------------------------------------------------------------------------------- */

/* What the blocks that exist, and one more, take beside what they hold. */
static uint64_t block_bytes(void)
{
    uint_fast64_t frees = atomic_load_explicit(&n_frees, memory_order_relaxed);
    uint_fast64_t blocks = atomic_load_explicit(&n_allocations, memory_order_relaxed) + 1;
    return blocks > frees ? (blocks - frees) * MEM_BLOCK_BYTES : 0; /* other threads count meanwhile */
}

/* Returns false where the limit forbids it. */
static bool count_alloc(size_t bytes)
{
    const uint64_t blocks = block_bytes();
    uint_fast64_t before = atomic_load_explicit(&bytes_current, memory_order_relaxed), now;
    do {
        now = before + bytes;
        if (now + blocks > atomic_load_explicit(&next_look, memory_order_relaxed) && !may_hold(now + blocks))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&bytes_current, &before, now, memory_order_relaxed,
                                                    memory_order_relaxed));
    uint_fast64_t peak = atomic_load_explicit(&bytes_peak, memory_order_relaxed);
    while (now > peak && !atomic_compare_exchange_weak(&bytes_peak, &peak, now))
        ;
    return true;
}

static void count_free(size_t bytes)
{
    SIB_ASSERT(atomic_load_explicit(&bytes_current, memory_order_relaxed) >= bytes);
    atomic_fetch_add_explicit(&n_frees, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&bytes_current, bytes, memory_order_relaxed);
}

/* ---- Blocks ------------------------------------------------------------------------------------------ */

static header *header_of(void *block)
{
    return (header *)block - 1;
}

/* Pages of 4 KB cost a fault each when they are first used, and large values more of them than the processor
   keeps at hand. Only a hint: nothing is lost where it is ignored. */
static void want_large_pages(char *block, size_t bytes)
{
#if defined(MADV_HUGEPAGE)
    uintptr_t begin = ((uintptr_t)block + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    uintptr_t end = ((uintptr_t)block + bytes) / LARGE_PAGE * LARGE_PAGE;
    if (begin < end)
        madvise((void *)begin, end - begin, MADV_HUGEPAGE);
#else
    (void)block;
    (void)bytes;
#endif
}

void *mem_alloc(size_t n, size_t size)
{
    size_t bytes, total;
    char *base;
    if (__builtin_mul_overflow(n, size, &bytes) || __builtin_add_overflow(bytes, MEM_ALIGN, &total))
        return NULL;
    if (!may_allocate() || !count_alloc(bytes))
        return NULL;
    if (!(base = malloc(total))) {
        atomic_fetch_sub_explicit(&bytes_current, bytes, memory_order_relaxed);
        return NULL;
    }
    atomic_fetch_add_explicit(&n_allocations, 1, memory_order_relaxed);
    char *block = base + MEM_ALIGN - (uintptr_t)base % MEM_ALIGN;
    SIB_ASSERT((uintptr_t)block % MEM_ALIGN == 0);
    SIB_ASSERT((size_t)(block - base) >= sizeof(header) && block + bytes <= base + total);
    *header_of(block) = (header){.bytes = bytes, .base = base};
    if (bytes >= LARGE_PAGE)
        want_large_pages(block, bytes);
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
    SIB_ASSERT((uintptr_t)header_of(block)->base < (uintptr_t)block);
    SIB_ASSERT((uintptr_t)block <= (uintptr_t)header_of(block)->base + MEM_ALIGN);
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
    atomic_store(&fails_once, false);
    atomic_store(&successes_left, successes);
}

void mem_fail_once(uint64_t successes)
{
    atomic_store(&fails_once, true);
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
