#include "tensor/mapped.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tensor/tensor.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

typedef struct shifted {
    pthread_mutex_t lock;
    bool filled;
    void *memory;
    mapping *file;
    byte_span bytes;
} shifted;

/* Where assertions are on, reading the memory before it is filled crashes. Elsewhere it is accessible from
   the start: giving access back can fail (RLIMIT_DATA), and filling could not report that. */
static void set_access(const shifted *s, int access)
{
#if defined(SIBYL_ASSERTIONS)
    int failed = mprotect(s->memory, s->bytes.size, access);
    SIB_ASSERT(!failed);
#else
    (void)s, (void)access;
#endif
}

static void fill(void *context)
{
    shifted *s = context;
    pthread_mutex_lock(&s->lock);
    if (!s->filled) {
        set_access(s, PROT_READ | PROT_WRITE);
        if (s->file->mapped)
            tensor_copy_pages(s->memory, s->bytes.data, s->bytes.size);
        else
            memcpy(s->memory, s->bytes.data, s->bytes.size);
        s->filled = true;
    }
    pthread_mutex_unlock(&s->lock);
}

static void release(void *context)
{
    shifted *s = context;
    munmap(s->memory, s->bytes.size);
    mapping_release(s->file);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

static sib_code no_memory(byte_span bytes, sib_error *err)
{
    return err_memory(err, bytes.size, "elements that are not aligned in their file");
}

sib_code tensor_wrap_shifted(sib_dtype dtype, size_t rank, const int64_t *dims, mapping *file,
                             byte_span bytes, sib_tensor **out, sib_error *err)
{
    *out = NULL;
    shifted *s = mem_calloc(1, sizeof *s);
    if (!s)
        return no_memory(bytes, err);
    s->memory = mmap(NULL, bytes.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->memory == MAP_FAILED || pthread_mutex_init(&s->lock, NULL) != 0) {
        if (s->memory != MAP_FAILED)
            munmap(s->memory, bytes.size);
        mem_free(s);
        return no_memory(bytes, err);
    }
    mapping_keep(file);
    s->file = file;
    s->bytes = bytes;
    set_access(s, PROT_NONE);
    sib_code code = tensor_wrap_waiting(dtype, rank, dims, s->memory, fill, release, s, out, err);
    if (code != SIB_OK) {
        release(s);
        return code;
    }
    (*out)->storage->source = bytes.data;
    (*out)->storage->file_pages = file->mapped != NULL;
    return SIB_OK;
}

sib_code tensor_wrap_mapped(sib_dtype dtype, size_t rank, const int64_t *dims, mapping *file, byte_span bytes,
                            sib_tensor **out, sib_error *err)
{
    mapping_keep(file);
    sib_code code = sib_tensor_wrap(dtype, rank, dims, NULL, (void *)(uintptr_t)bytes.data, mapping_release,
                                    file, out, err);
    if (code == SIB_OK)
        (*out)->storage->file_pages = file->mapped != NULL;
    else
        mapping_release(file);
    return code;
}
