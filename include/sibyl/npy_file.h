/* Arrays written to files in parts, and in the bytes of a file without one. */
#ifndef SIBYL_NPY_FILE_H
#define SIBYL_NPY_FILE_H

#include <sibyl/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A .npy that is written block by block, for an array that exceeds memory. One thread at a time per file. */
typedef struct sib_npy_file sib_npy_file;

/* Begins an array of the shape dims (rank), in another file that is renamed at the end; where path is a
   device or pipe, in an unnamed file in $TMPDIR or /tmp. out: owned by the caller; ends with sib_npy_finish
   or sib_npy_discard. Errors: SIB_ERR_IO names the path; SIB_ERR_UNSUPPORTED (strings, types of 4 or fewer
   bits); SIB_ERR_ARGUMENT, SIB_ERR_SIZE (dims); SIB_ERR_MEMORY. */
SIB_API sib_code sib_npy_create(const char *path, sib_dtype dtype, size_t rank, const int64_t *dims,
                                sib_npy_file **out, sib_error *err);
/* Writes block, of the array's type and rank, with its element (0, ..., 0) at index starts (rank). Blocks may
   come in any order; elements that none brings are zero. Errors: SIB_ERR_ARGUMENT (another type or rank,
   beyond the array), SIB_ERR_IO, SIB_ERR_MEMORY. */
SIB_API sib_code sib_npy_put(sib_npy_file *file, const sib_tensor *block, const int64_t *starts,
                             sib_error *err);
/* Completes the file under its name, or on failure leaves nothing behind. Frees *file in both cases. Errors:
   SIB_ERR_IO, SIB_ERR_MEMORY. */
SIB_API sib_code sib_npy_finish(sib_npy_file **file, sib_error *err);
/* Drops the array; *file may be NULL. */
SIB_API void sib_npy_discard(sib_npy_file **file);

/* ---- Without a file ---------------------------------------------------------------------------------- */

/* An array as the bytes that a .npy file of sib_npy_save has: a header, then elements. These are the tensor's own memory
   (sib_tensor_bytes) where that is dense and has them as NumPy stores them, so that large weights are not copied. */
typedef struct sib_npy_image sib_npy_image;
/* t must outlive the image. out: owned by the caller. Errors: SIB_ERR_ARGUMENT (NULL), SIB_ERR_SIZE, SIB_ERR_VALUE
   (strings that are not UTF-8), SIB_ERR_MEMORY. */
SIB_API sib_code sib_npy_image_create(const sib_tensor *t, sib_npy_image **out, sib_error *err);
/* These live as long as the image; *bytes: their size. */
SIB_API const void *sib_npy_image_header(const sib_npy_image *i, size_t *bytes);
SIB_API const void *sib_npy_image_data(const sib_npy_image *i, size_t *bytes);
SIB_API void sib_npy_image_free(sib_npy_image **i);

/* sib_npz_load with a limit. max_bytes: of memory for the elements of all arrays, 0 for any. Further errors: SIB_ERR_SIZE
   (more than max_bytes). */
SIB_API sib_code sib_npz_load_limited(const char *path, uint64_t max_bytes, sib_npz_entry **entries,
                                      size_t *n, sib_error *err);
/* The same from the (size) bytes of a file, which need not outlive the call. name: for messages. */
SIB_API sib_code sib_npz_load_bytes(const char *name, const void *data, size_t size, uint64_t max_bytes,
                                    sib_npz_entry **entries, size_t *n, sib_error *err);

#ifdef __cplusplus
}
#endif
#endif
