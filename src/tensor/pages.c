/* Reads weights that are needed once, to be packed, from their file piece by piece, without keeping the
   pages. */
#include "base/alloc.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Below this size a system call costs more than it saves. */
#define PAGES_MIN (64 * 1024)

/* Bytes read at once: they stay in the L2 cache until they are packed. */
#define PIECE_BYTES (512 * 1024)

/* Gives the kernel advice on the pages of [begin, end). */
static void advise(uintptr_t begin, uintptr_t end, int advice)
{
    if (begin < end)
        madvise((void *)begin, end - begin, advice);
}

static uintptr_t page_bytes(void)
{
    return (uintptr_t)sysconf(_SC_PAGESIZE);
}

/* Reads the pages of a file that hold these bytes in one system call. */
static void want_pages(const void *data, size_t bytes)
{
#if defined(MADV_POPULATE_READ)
    uintptr_t page = page_bytes(), begin = (uintptr_t)data / page * page;
    advise(begin, (uintptr_t)data + bytes, MADV_POPULATE_READ);
#else
    (void)data;
    (void)bytes;
#endif
}

/* Drops the pages that hold only these bytes or, where `before`, also preceding ones. */
static void leave_pages(const void *data, size_t bytes, bool before)
{
    uintptr_t page = page_bytes(), begin = (uintptr_t)data + (before ? 0 : page - 1);
    advise(begin / page * page, ((uintptr_t)data + bytes) / page * page, MADV_DONTNEED);
}

static size_t bytes_of(const sib_tensor *t)
{
    size_t bytes = 0;
    return dtype_bytes(t->dtype, t->count, &bytes) ? bytes : 0;
}

const void *tensor_address(const sib_tensor *t)
{
    const tensor_storage *s = t->storage;
    if (atomic_load_explicit(&s->waits, memory_order_acquire) && s->source)
        return (const char *)s->source + (t->data - s->base);
    tensor_ready(t);
    return t->data;
}

const void *sib_tensor_bytes(const sib_tensor *t)
{
    return tensor_address(t);
}

const void *tensor_peek(const sib_tensor *t, void **temporary)
{
    size_t bytes = bytes_of(t);
    const void *at = tensor_address(t);
    *temporary = NULL;
    if (t->storage->file_pages && bytes >= PAGES_MIN)
        want_pages(at, bytes);
    if ((uintptr_t)at % dtype_align(t->dtype) == 0)
        return at;
    *temporary = mem_alloc(bytes, 1);
    return *temporary ? memcpy(*temporary, at, bytes) : NULL;
}

void tensor_leave_pages(const sib_tensor *t)
{
    const tensor_storage *s = t->storage;
    bool waits = atomic_load_explicit(&s->waits, memory_order_acquire);
    /* Pages of a file mapped read-only can be dropped without loss. Other memory would lose its contents,
       such as the copy that elements with a source were loaded to. */
    const void *pages = s->source ? s->source : waits ? NULL : t->data;
    size_t bytes = bytes_of(t);
    if (s->file_pages && pages && bytes >= PAGES_MIN)
        leave_pages(pages, bytes, false);
}

void tensor_copy_pages(void *to, const void *from, size_t bytes)
{
    for (size_t at = 0, n; at < bytes; at += n) { /* large enough to make system calls negligible */
        n = size_min(bytes - at, PIECE_BYTES);
        want_pages((const char *)from + at, n);
        memcpy((char *)to + at, (const char *)from + at, n);
        leave_pages((const char *)from + at, n, at > 0);
    }
}

/* Number of rows of `bytes` to read at once: a multiple of `multiple`, at most a block. */
static size_t rows_at_once(size_t bytes, size_t block, size_t multiple)
{
    size_t rows = bytes ? PIECE_BYTES / bytes / multiple * multiple : block;
    return size_min(size_max(rows, multiple), block);
}

bool tensor_read_rows(const sib_tensor *t, size_t row, size_t block, size_t multiple, tensor_rows rows,
                      void *context)
{
    size_t bytes, all = row ? (size_t)(t->count / row) : 0;
    const char *at = tensor_address(t);
    char *copy = NULL;
    if (!dtype_bytes(t->dtype, row, &bytes))
        return false;
    size_t max_rows = rows_at_once(bytes, block, multiple);
    bool aligned = (uintptr_t)at % dtype_align(t->dtype) == 0, file = t->storage->file_pages;
    if (!aligned && all && !(copy = mem_alloc(max_rows, bytes)))
        return false;
    /* elements that were loaded to other memory are not pages of the file */
    file = file && (!t->storage->source || at == t->storage->source) && bytes_of(t) >= PAGES_MIN;
    for (size_t i = 0, n; i < all; i += n, at += n * bytes) {
        n = size_min(max_rows, block - i % block);
        if (file)
            want_pages(at, n * bytes);
        rows(context, copy ? memcpy(copy, at, n * bytes) : at, i, n);
        if (file)
            leave_pages(at, n * bytes, i > 0);
    }
    mem_free(copy);
    return true;
}
