/* The tensor itself, for the files of this room. */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include "base/assert.h"

#include <sibyl/tensor.h>
#include <stdatomic.h>

/* Memory under one or several tensors; goes with its last reference. */
typedef struct tensor_storage {
    atomic_size_t references;
    void *owned; /* from mem_alloc, or NULL where the memory is somebody else's */
    size_t
        n_strings; /* elements of an owned string tensor: each data is from mem_alloc, or static and empty */
    sib_release release; /* called for memory that is not owned; may be NULL */
    void *context;
    void (*fill)(void *context); /* brings elements that wait; see tensor_wrap_waiting */
    atomic_bool waits;
    const void *source; /* where elements that wait are, at any address; NULL: in no one place */
    bool file_pages;    /* the elements, or their source, stand in a file mapped read-only */
} tensor_storage;

/* Invariants: dims are >= 0 and strides reach only elements of the storage; packed types are dense and begin
   a byte; count is the product of dims. */
struct sib_tensor {
    tensor_storage *storage;
    sib_dtype dtype;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];    /* (rank) */
    int64_t strides[SIB_MAX_RANK]; /* (rank), in elements */
    uint64_t count;
    bool dense;
    char *data; /* element (0, ..., 0) */
};

/* sib_tensor_create without clearing numbers: the caller fills every byte. Strings are empty all the same. */
sib_code tensor_create_raw(sib_dtype dtype, size_t rank, const int64_t *dims, sib_tensor **out,
                           sib_error *err);

/* sib_tensor_wrap, dense, of memory whose elements come when they are first wanted: fill is called with context then,
   perhaps from several threads at once, and returns when they are there. Whoever reads t->data of a tensor that may be
   a weight calls tensor_ready before; sib_tensor_data, values and all calls of tensor.h do. */
sib_code tensor_wrap_waiting(sib_dtype dtype, size_t rank, const int64_t *dims, void *data,
                             void (*fill)(void *context), sib_release release, void *context,
                             sib_tensor **out, sib_error *err);

/* Brings elements that wait. */
static inline void tensor_ready(const sib_tensor *t)
{
    tensor_storage *s = t->storage;
    if (atomic_load_explicit(&s->waits, memory_order_acquire)) {
        SIB_ASSERT(s->fill);
        s->fill(s->context);
        atomic_store_explicit(&s->waits, false, memory_order_release);
    }
}

/* Where the elements of a dense t stand, at any address, without bringing what waits where that has a source. */
const void *tensor_stands(const sib_tensor *t);

/* The elements of a dense t for reading once, without bringing what waits: a copy where they do not stand aligned.
   *temporary: NULL, or the copy, to be freed with mem_free. NULL where there is no memory for it. */
const void *tensor_peek(const sib_tensor *t, void **temporary);

/* n rows of elements, aligned, from row `first` on. */
typedef void (*tensor_rows)(void *context, const void *elements, size_t first, size_t n);
/* Hands out the rows of a dense t, each of `row` elements that fill their bytes, once and in order, without bringing what waits:
   `multiple` or several times as many at once, fewer at the end of a block. Rows come in blocks of so many; none are handed
   out together with those of the next. Pages of a file are not kept. False where there is no memory. */
bool tensor_read_rows(const sib_tensor *t, size_t row, size_t block, size_t multiple, tensor_rows rows,
                      void *context);

/* Copies bytes of a file mapped read-only and keeps no pages of it. */
void tensor_copy_pages(void *to, const void *from, size_t bytes);

/* Says that t's elements will hardly be read again: memory that holds pages of its file may go. They come again from the
   file where they are. */
void tensor_leave_pages(const sib_tensor *t);

/* A new tensor over the storage of t, with dims and strides still to be set by the caller, who ends with
   tensor_finish. Errors: SIB_ERR_MEMORY. */
sib_code tensor_view(const sib_tensor *t, sib_tensor **out, sib_error *err);

/* Sets a view over the first elements of another tensor's memory, or of none (NULL): then it must not be used until it is
   moved again. view belongs to the caller alone. */
void tensor_move_view(sib_tensor *view, const sib_tensor *onto);

/* Sets dense from dims and strides. */
void tensor_finish(sib_tensor *t);

/* Replaces a string element of an owned tensor by a copy of value; where is its place for a message.
   Errors: SIB_ERR_MEMORY. */
sib_code tensor_put_string(sib_str *element, sib_str value, sib_error *err);

/* SIB_OK where t and out may be used, else SIB_ERR_ARGUMENT; *out becomes NULL. */
sib_code tensor_check(const sib_tensor *t, sib_tensor **out, sib_error *err);

#endif
