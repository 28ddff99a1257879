/* The structure of a tensor, for modules that access elements directly. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include "base/assert.h"

#include <pthread.h>
#include <sibyl/tensor.h>
#include <stdatomic.h>

/* Elements on a device: the head of what its backend has of them. */
typedef struct tensor_away {
    /* Copies them, bytes, to `to`. Errors: those of the device. */
    sib_code (*fetch)(const struct tensor_away *a, void *to, sib_error *err);
    void (*release)(struct tensor_away *a);
    size_t bytes;
    /* of the tensor: */
    pthread_mutex_t lock; /* while they are fetched */
    bool failed;          /* the host's elements are not theirs, since that failed; guarded by the lock */
} tensor_away;

/* Memory that one or several tensors share; freed with the last reference. */
typedef struct tensor_storage {
    atomic_size_t references;
    void *owned; /* from mem_alloc; NULL where the memory belongs to somebody else */
    /* elements of an owned string tensor; the data of each is from mem_alloc, or static and empty */
    size_t n_strings;
    sib_release release; /* called for memory that is not owned; may be NULL */
    void *context;
    void (*fill)(void *context); /* loads elements on first use; see tensor_wrap_waiting */
    atomic_bool waits;
    const char *base;   /* of a storage that waits: its first byte once it is loaded */
    const void *source; /* where unloaded elements are, at any alignment; NULL: in several places */
    bool file_pages;    /* the elements, or their source, are in a file mapped read-only */
    tensor_away *away;  /* the elements are on a device too, or there alone while it waits; NULL: not */
} tensor_storage;

/* Invariants: dims are >= 0, and strides reach only elements of the storage; packed types are dense and
   begin at a byte; count is the product of dims. */
struct sib_tensor {
    tensor_storage *storage;
    sib_dtype dtype;
    size_t rank;
    int64_t *dims;    /* (rank), in axes */
    int64_t *strides; /* (rank) in elements, in axes */
    uint64_t count;
    bool dense;
    char *data;     /* element (0, ..., 0) */
    int64_t axes[]; /* dims and strides */
};

/* sib_tensor_create without clearing numbers: the caller must fill every byte. Strings are still empty. */
sib_code tensor_create_raw(sib_dtype dtype, size_t rank, const int64_t *dims, sib_tensor **out,
                           sib_error *err);

/* sib_tensor_wrap of dense memory whose elements are loaded on first use: fill is called with context
   then, perhaps from several threads at once, and returns once they are loaded. Call tensor_ready before
   reading t->data of a tensor that may be a weight; sib_tensor_data, values and all functions of tensor.h
   do. */
sib_code tensor_wrap_waiting(sib_dtype dtype, size_t rank, const int64_t *dims, void *data,
                             void (*fill)(void *context), sib_release release, void *context,
                             sib_tensor **out, sib_error *err);

/* Creates a dense tensor of numbers whose elements are on a device and come to the host on first use. away: taken over,
   also on failure. Errors: SIB_ERR_MEMORY, SIB_ERR_SIZE. */
sib_code tensor_create_away(sib_dtype dtype, size_t rank, const int64_t *dims, tensor_away *away,
                            sib_tensor **out, sib_error *err);
/* Says that the device has other elements now. Nobody else may hold the tensor's memory. */
void tensor_send_away(const sib_tensor *t);
/* Brings elements that are on a device to the host, which first use does without a word of a failure: they are NaN then,
   or have all bits set. Errors: those of the device. */
sib_code tensor_fetch(const sib_tensor *t, sib_error *err);

/* Loads the elements if that is still to be done. */
static inline void tensor_ready(const sib_tensor *t)
{
    tensor_storage *s = t->storage;
    if (atomic_load_explicit(&s->waits, memory_order_acquire)) {
        SIB_ASSERT(s->fill);
        s->fill(s->context);
        atomic_store_explicit(&s->waits, false, memory_order_release);
    }
}

/* Returns where the elements of a dense t are, at any alignment. Loads unloaded elements only if they have
   no source. */
const void *tensor_address(const sib_tensor *t);

/* Returns the elements of a dense t for reading once, aligned, without loading them if they have a source:
   a copy where that is unaligned. *temporary: the copy, to be freed with mem_free, or NULL. Returns NULL
   where memory fails. */
const void *tensor_peek(const sib_tensor *t, void **temporary);

/* Receives n rows of elements, aligned, starting at row `first`. */
typedef void (*tensor_rows)(void *context, const void *elements, size_t first, size_t n);
/* Passes the rows of a dense t, of `row` elements that fill their bytes, to `rows` once and in order,
   without loading them if they have a source. Each call gets a multiple of `multiple` rows, or fewer at
   the end of a block of `block` rows; no call crosses blocks. Pages of a file are not kept. Returns false
   where memory fails. */
bool tensor_read_rows(const sib_tensor *t, size_t row, size_t block, size_t multiple, tensor_rows rows,
                      void *context);

/* Copies bytes of a file mapped read-only without keeping its pages in memory. */
void tensor_copy_pages(void *to, const void *from, size_t bytes);

/* Hints that t's elements will hardly be read again, so that pages of its file may be dropped; they are
   read from the file again if needed. */
void tensor_leave_pages(const sib_tensor *t);

/* Creates a tensor of this rank over the storage of t, with its dims and strides as far as both have them.
   The caller sets others and the count, then calls tensor_finish. Errors: SIB_ERR_MEMORY. */
sib_code tensor_view(const sib_tensor *t, size_t rank, sib_tensor **out, sib_error *err);

/* Moves a view to the first elements of another tensor's memory, or of none (NULL): it must then not be
   used until moved again. Nobody else may use view. */
void tensor_move_view(sib_tensor *view, const sib_tensor *onto);

/* Copies the elements of a dense tensor to another, of the same dtype and count, that owns dense memory.
   Errors: SIB_ERR_MEMORY (strings). */
sib_code tensor_fill(sib_tensor *to, const sib_tensor *from, sib_error *err);
/* Sets the bits after the last packed element to 0, before elements are written one by one. */
void tensor_clear_tail(sib_tensor *t);

/* Derives `dense` from dims and strides. */
void tensor_finish(sib_tensor *t);

/* Replaces a string element of an owned tensor by a copy of value. Errors: SIB_ERR_MEMORY. */
sib_code tensor_put_string(sib_str *element, sib_str value, sib_error *err);
/* The same for n characters of mem_alloc, of which it takes ownership. */
void tensor_take_string(sib_str *element, char *text, size_t n);

/* Sets *out to NULL. Returns SIB_OK where t and out are valid, else SIB_ERR_ARGUMENT. */
sib_code tensor_check(const sib_tensor *t, sib_tensor **out, sib_error *err);

#endif
