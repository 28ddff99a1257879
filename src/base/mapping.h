/* The bytes of files: mapped, or copied from memory. */
#ifndef BASE_MAPPING_H
#define BASE_MAPPING_H

#include <sibyl/base.h>
#include <stdatomic.h>

typedef struct byte_span {
    const uint8_t *data;
    size_t size;
} byte_span;

/* Counted: tensors that stand in it keep it. */
typedef struct mapping {
    atomic_size_t references;
    byte_span bytes;
    void *mapped;           /* by mmap, or NULL */
    void *owned;            /* from mem_alloc, or NULL */
    uint64_t device, inode; /* of the file */
} mapping;

/* Maps a file for reading; one of up to 1 MiB is copied, so that truncating it later does no harm. A larger one must not be
   truncated while it is mapped: reading it would end the process by SIGBUS. Errors: SIB_ERR_IO (also for what is no regular file), SIB_ERR_MEMORY. */
sib_code mapping_open(const char *path, mapping **out, sib_error *err);
/* The same for a file that must stand below `folder`, both without links (realpath): the file that was opened is looked
   at, so that a link put in the path meanwhile leads nowhere. Errors: SIB_ERR_FORMAT (it stands elsewhere) too. */
sib_code mapping_open_inside(const char *path, const char *folder, mapping **out, sib_error *err);
/* A copy of bytes. */
sib_code mapping_copy(byte_span bytes, mapping **out, sib_error *err);
void mapping_keep(mapping *m);
/* One reference less. Fits sib_release. */
void mapping_release(void *m);

#endif
