/* Weights that are read once, to be packed: they come from the file in one go, and leave no pages behind. */
#include "base/alloc.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Below this a system call costs more than it saves. */
#define PAGES_LEAST (64 * 1024)

/* Hints about the pages of [data, data + bytes); `whole`: only those that lie in it whole. */
static void advise(const void *data, size_t bytes, int advice, bool whole)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = (uintptr_t)data, end = begin + bytes;
    begin = (whole ? begin + page - 1 : begin) / page * page;
    end = whole ? end / page * page : end;
    if (begin < end && bytes >= PAGES_LEAST)
        madvise((void *)begin, end - begin, advice);
}

static size_t bytes_of(const sib_tensor *t)
{
    size_t bytes = 0;
    return dtype_bytes(t->dtype, t->count, &bytes) ? bytes : 0;
}

const void *tensor_peek(const sib_tensor *t, void **temporary)
{
    const tensor_storage *s = t->storage;
    size_t bytes = bytes_of(t);
    bool waits = atomic_load_explicit(&s->waits, memory_order_acquire);
    *temporary = NULL;
    const void *at = waits && s->source ? s->source : t->data;
#if defined(MADV_POPULATE_READ)
    if (s->file_pages)
        advise(at, bytes, MADV_POPULATE_READ, false);
#endif
    if (!waits)
        return at;
    if (!s->source) {
        tensor_ready(t);
        return t->data;
    }
    *temporary = mem_alloc(bytes, 1);
    return *temporary ? memcpy(*temporary, at, bytes) : NULL;
}

void tensor_leave_pages(const sib_tensor *t)
{
    const tensor_storage *s = t->storage;
    bool waits = atomic_load_explicit(&s->waits, memory_order_acquire);
    /* pages of a file mapped read-only lose nothing; those of other memory would, such as what elements with a source are
       copied to when they are first wanted */
    const void *pages = s->source ? s->source : waits ? NULL : t->data;
    if (s->file_pages && pages)
        advise(pages, bytes_of(t), MADV_DONTNEED, true);
}
