/* Elements as items of one or more bytes, so that layout kernels are independent of dtypes: packed types
   are unpacked to a byte each, strings move as references until they are copied at the end. */
#ifndef REF_PLANE_H
#define REF_PLANE_H

#include "backend/ref/kernel.h"

typedef struct ref_plane {
    size_t item; /* bytes */
    char *data;  /* dense items in row-major order */
    void *scratch;
    sib_tensor *out; /* the tensor to write, for planes that are written */
} ref_plane;

/* The items of t, for reading. ref_plane_free must follow. Errors: SIB_ERR_MEMORY. */
sib_code ref_plane_read(const ref_call *c, const sib_tensor *t, ref_plane *p);
/* Memory for the items of t, all of which must be written. ref_plane_done must follow. */
sib_code ref_plane_write(const ref_call *c, sib_tensor *t, ref_plane *p);
/* Stores the written items into the tensor where `code` is SIB_OK, and frees p. Returns code or its own
   error. */
sib_code ref_plane_done(const ref_call *c, ref_plane *p, sib_code code);
void ref_plane_free(ref_plane *p);

/* Copies n items; strides in bytes are multiples of item, may be 0 or negative. */
void ref_copy_run(char *dst, int64_t dst_stride, const char *src, int64_t src_stride, size_t n, size_t item);
/* The same for runs of any length, which can be cancelled. */
sib_code ref_copy_long(const ref_call *c, char *dst, int64_t dst_stride, const char *src, int64_t src_stride,
                       uint64_t n, size_t item);
/* Copies a box of dims (rank); strides in bytes. */
sib_code ref_copy_box(const ref_call *c, size_t rank, const int64_t *dims, char *dst,
                      const int64_t *dst_strides, const char *src, const int64_t *src_strides, size_t item);
/* Row-major strides of dims in bytes. */
void ref_strides(size_t rank, const int64_t *dims, size_t item, int64_t *strides);

#endif
