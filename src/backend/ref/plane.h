/* Elements as items of whole bytes, so that layout kernels need not know what they move: packed types are spread to a
   byte each, strings move as references until they are copied at the end. */
#ifndef REF_PLANE_H
#define REF_PLANE_H

#include "backend/ref/kernel.h"

typedef struct ref_plane {
    size_t item; /* bytes */
    char *data;  /* dense items in row-major order */
    void *scratch;
    sib_tensor *out; /* of planes to be written */
} ref_plane;

/* The items of t, to be read. Errors: SIB_ERR_MEMORY. Ends with ref_plane_free. */
sib_code ref_plane_read(const ref_call *c, const sib_tensor *t, ref_plane *p);
/* Where to write the items of t; every one must be written. Ends with ref_plane_done. */
sib_code ref_plane_write(const ref_call *c, sib_tensor *t, ref_plane *p);
/* Puts what was written into the tensor where `code` is SIB_OK, and frees p. Returns code or its own failure. */
sib_code ref_plane_done(const ref_call *c, ref_plane *p, sib_code code);
void ref_plane_free(ref_plane *p);

/* n items from src to dst, distances in bytes: of whole items, which may be 0 or negative. */
void ref_copy_run(char *dst, int64_t dst_stride, const char *src, int64_t src_stride, size_t n, size_t item);
/* A box of dims (rank) between strided places; strides in bytes. */
void ref_copy_box(size_t rank, const int64_t *dims, char *dst, const int64_t *dst_strides, const char *src,
                  const int64_t *src_strides, size_t item);
/* Row-major strides of dims in bytes. */
void ref_strides(size_t rank, const int64_t *dims, size_t item, int64_t *strides);

#endif
