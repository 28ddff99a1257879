/* Memory with guards, for every program of tests where no sanitizer looks (the linker's --wrap): a block ends with bytes that
   its release checks, begins at a multiple of 64, so that mem_alloc leaves nothing between, and holds a pattern in place of
   what was there before it, as it does again once it is freed. What other libraries allocate has no guards. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGN  64
#define TAIL   16
#define MARK   UINT64_C(0x5167b1ac0ffee5ed)
#define FILL   0xa5
#define FILLED 65536 /* bytes of a larger block that have the pattern: pages that nobody uses stay so */

typedef struct guard {
    uint64_t mark; /* MARK ^ address */
    size_t bytes;
} guard;

void *__real_malloc(size_t n);
void __real_free(void *p);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static guard *guard_of(void *p)
{
    guard *g = (guard *)((char *)p - ALIGN);
    return (uintptr_t)p % ALIGN == 0 && g->mark == (MARK ^ (uintptr_t)p) ? g : NULL;
}

static void fill(char *p, size_t n)
{
    memset(p, FILL, n < FILLED ? n : FILLED);
}

void *__wrap_malloc(size_t n)
{
    if (n > SIZE_MAX / 2)
        return NULL;
    char *base = aligned_alloc(ALIGN, (n + TAIL + 2 * ALIGN - 1) / ALIGN * ALIGN);
    if (!base)
        return NULL;
    char *p = base + ALIGN;
    *(guard *)base = (guard){MARK ^ (uintptr_t)p, n};
    fill(p, n);
    memset(p + n, FILL, TAIL);
    return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *p = size && n > SIZE_MAX / size ? NULL : __wrap_malloc(n * size);
    return p ? memset(p, 0, n * size) : NULL;
}

void __wrap_free(void *p)
{
    guard *g = p ? guard_of(p) : NULL;
    if (!g) {
        __real_free(p);
        return;
    }
    for (size_t i = 0; i < TAIL; i++)
        if (((unsigned char *)p)[g->bytes + i] != FILL) {
            fprintf(stderr, "byte %zu behind a block of %zu was written\n", i, g->bytes);
            abort();
        }
    g->mark = 0;
    fill(p, g->bytes);
    __real_free(g);
}

void *__wrap_realloc(void *p, size_t n)
{
    guard *g = p ? guard_of(p) : NULL;
    if (p && !g)
        return __real_realloc(p, n);
    void *more = __wrap_malloc(n);
    if (more && g) {
        memcpy(more, p, g->bytes < n ? g->bytes : n);
        __wrap_free(p);
    }
    return more;
}
