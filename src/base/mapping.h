/* Bytes of files: mapped, or copied to memory. */
#ifndef BASE_MAPPING_H
#define BASE_MAPPING_H

#include <sibyl/base.h>
#include <stdatomic.h>

typedef struct byte_span {
    const uint8_t *data;
    size_t size;
} byte_span;

/* Reference-counted: tensors that point into a mapping hold a reference. */
typedef struct mapping {
    atomic_size_t references;
    byte_span bytes;
    void *mapped;           /* by mmap, or NULL */
    void *owned;            /* from mem_alloc, or NULL */
    uint64_t device, inode; /* of the file */
} mapping;

/* Maps a file for reading; up to 1 MiB is copied, so that truncating the file later is harmless. A larger
   file must not be truncated while it is mapped: reading it would end the process by SIGBUS. Errors:
   SIB_ERR_IO (also where it is not a regular file), SIB_ERR_MEMORY. */
sib_code mapping_open(const char *path, mapping **out, sib_error *err);
/* The same for a file that must be inside `folder`, both resolved (path_resolve). The check is made on
   the opened file, so a link that is meanwhile put into the path has no effect. Errors: also
   SIB_ERR_FORMAT (it is not inside). */
sib_code mapping_open_inside(const char *path, const char *folder, mapping **out, sib_error *err);
/* Copies bytes. */
sib_code mapping_copy(byte_span bytes, mapping **out, sib_error *err);
void mapping_keep(mapping *m);
/* Drops a reference to a mapping. Usable as sib_release. */
void mapping_release(void *context);

#endif
