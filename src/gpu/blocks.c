#include "gpu/blocks.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"

#include <pthread.h>

typedef struct block {
    gpu_memory *memory;
    size_t bytes;
    gpu_buffer *first, *last; /* its buffers by offset */
    struct block *next;
} block;

struct gpu_buffer {
    block *in;
    size_t offset, bytes; /* multiples of GPU_ALIGN */
    gpu_buffer *before, *after;
};

struct gpu_blocks {
    gpu_device *device;
    pthread_mutex_t lock;
    block *first;
};

sib_code gpu_blocks_create(gpu_device *d, gpu_blocks **out, sib_error *err)
{
    gpu_blocks *b = mem_calloc(1, sizeof *b);
    *out = b;
    if (b && !pthread_mutex_init(&b->lock, NULL)) {
        b->device = d;
        return SIB_OK;
    }
    mem_free(b);
    *out = NULL;
    return err_memory(err, sizeof *b, "a device");
}

static void drop(gpu_blocks *b, block **at)
{
    block *gone = *at;
    *at = gone->next;
    b->device->driver->free(b->device, &gone->memory);
    mem_free(gone);
}

void gpu_blocks_free(gpu_blocks **bp)
{
    gpu_blocks *b = *bp;
    if (!b)
        return;
    while (b->first) {
        SIB_ASSERT(!b->first->first);
        drop(b, &b->first);
    }
    pthread_mutex_destroy(&b->lock);
    mem_free(b);
    *bp = NULL;
}

/* ---- Places -------------------------------------------------------------------------------------------- */

static size_t end_of(const gpu_buffer *x)
{
    return x ? x->offset + x->bytes : 0;
}

/* Bytes free behind `before`, or at the block's begin where that is NULL. */
static size_t room_behind(const block *in, const gpu_buffer *before)
{
    const gpu_buffer *after = before ? before->after : in->first;
    return (after ? after->offset : in->bytes) - end_of(before);
}

/* Puts x behind the last buffer of a block, or into the first gap that holds it. */
static bool place_in(block *in, gpu_buffer *x)
{
    gpu_buffer *before = in->last;
    if (room_behind(in, before) < x->bytes) {
        before = NULL;
        for (gpu_buffer *next = in->first; room_behind(in, before) < x->bytes; next = next->after) {
            if (!next)
                return false;
            before = next;
        }
    }
    x->in = in;
    x->offset = end_of(before);
    x->before = before;
    x->after = before ? before->after : in->first;
    *(x->before ? &x->before->after : &in->first) = x;
    *(x->after ? &x->after->before : &in->last) = x;
    return true;
}

static void unlink_buffer(gpu_buffer *x)
{
    *(x->before ? &x->before->after : &x->in->first) = x->after;
    *(x->after ? &x->after->before : &x->in->last) = x->before;
}

/* A block for x: of its own where it is large, so that nothing is left of it. */
static sib_code add_block(gpu_blocks *b, gpu_buffer *x, sib_error *err)
{
    const size_t usual = b->device->block_bytes, bytes = x->bytes > usual / 4 ? x->bytes : usual;
    block *made = mem_calloc(1, sizeof *made);
    if (!made)
        return err_memory(err, sizeof *made, "a buffer");
    made->bytes = bytes;
    const sib_code code = b->device->driver->alloc(b->device, bytes, &made->memory, err);
    if (code != SIB_OK) {
        mem_free(made);
        return code;
    }
    made->next = b->first;
    b->first = made;
    const bool placed = place_in(made, x);
    SIB_ASSERT(placed);
    (void)placed;
    return SIB_OK;
}

sib_code gpu_blocks_get(gpu_blocks *b, size_t bytes, gpu_buffer **out, sib_error *err)
{
    size_t all;
    gpu_buffer *x = size_add(bytes, GPU_ALIGN - 1, &all) ? mem_calloc(1, sizeof *x) : NULL;
    sib_code code = SIB_OK;
    *out = x;
    if (!x)
        return err_memory(err, bytes, "a buffer");
    x->bytes = all / GPU_ALIGN * GPU_ALIGN;
    pthread_mutex_lock(&b->lock);
    block *in = b->device->block_bytes ? b->first : NULL;
    while (in && !place_in(in, x))
        in = in->next;
    if (!in)
        code = add_block(b, x, err);
    pthread_mutex_unlock(&b->lock);
    if (code != SIB_OK) {
        mem_free(x);
        *out = NULL;
    }
    return code;
}

/* A block that nothing is in goes back to the driver, unless it is the only empty one of the usual size: the
   next plan needs it. */
static void tidy(gpu_blocks *b)
{
    bool kept = false;
    for (block **at = &b->first; *at;) {
        const bool empty = !(*at)->first, keep = empty && !kept && (*at)->bytes == b->device->block_bytes;
        kept |= keep;
        if (empty && !keep)
            drop(b, at);
        else
            at = &(*at)->next;
    }
}

void gpu_blocks_put(gpu_blocks *b, gpu_buffer **buffer)
{
    gpu_buffer *x = *buffer;
    *buffer = NULL;
    pthread_mutex_lock(&b->lock);
    unlink_buffer(x);
    if (!x->in->first)
        tidy(b);
    pthread_mutex_unlock(&b->lock);
    mem_free(x);
}

gpu_place gpu_place_of(gpu_range r)
{
    const gpu_buffer *x = r.buffer;
    if (!x)
        return (gpu_place){NULL, r.offset, r.bytes};
    SIB_ASSERT(r.offset <= x->bytes && r.bytes <= x->bytes - r.offset);
    return (gpu_place){x->in->memory, x->offset + r.offset, r.bytes};
}
