/* Elements that stand in the file where their type cannot be read in place: memory is set aside for them, and they are
   copied there when somebody first wants them. So a model opens without reading its weights wherever they stand. */
#include "onnx/reader.h"

#include "base/alloc.h"
#include "tensor/tensor.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

typedef struct shifted {
    pthread_mutex_t lock;
    bool filled;
    void *memory; /* mapped; not to be touched before it is filled, so that reading it too early shows */
    mapping *file;
    wire_span bytes;
} shifted;

static void fill(void *context)
{
    shifted *s = context;
    pthread_mutex_lock(&s->lock);
    if (!s->filled && mprotect(s->memory, s->bytes.size, PROT_READ | PROT_WRITE) == 0) {
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

bool shifted_wrap(reader *r, const tensor_proto *p, mapping *file, wire_span bytes, sib_tensor **out,
                  sib_code *code)
{
    shifted *s = mem_calloc(1, sizeof *s);
    if (!s)
        return false;
    s->memory = mmap(NULL, bytes.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s->memory == MAP_FAILED || pthread_mutex_init(&s->lock, NULL) != 0) {
        if (s->memory != MAP_FAILED)
            munmap(s->memory, bytes.size);
        mem_free(s);
        return false;
    }
    mprotect(s->memory, bytes.size, PROT_NONE);
    mapping_keep(file);
    s->file = file;
    s->bytes = bytes;
    *code = tensor_wrap_waiting(p->dtype, p->rank, p->dims, s->memory, fill, release, s, out, r->err);
    if (*code != SIB_OK) {
        release(s);
        return true;
    }
    (*out)->storage->source = bytes.data;
    (*out)->storage->file_pages = file->mapped != NULL;
    return true;
}
