/* The bytes of files: mapped, or copied from memory. */
#ifndef ONNX_MAPPING_H
#define ONNX_MAPPING_H

#include "onnx/wire.h"

#include <stdatomic.h>

/* Counted: tensors that stand in it keep it. */
typedef struct mapping {
    atomic_size_t references;
    wire_span bytes;
    void *mapped;           /* by mmap, or NULL */
    void *owned;            /* from mem_alloc, or NULL */
    uint64_t device, inode; /* of the file */
} mapping;

/* Maps a file for reading. name: for messages. Errors: SIB_ERR_IO (also for what is no regular file), SIB_ERR_MEMORY. */
sib_code mapping_open(const char *path, mapping **out, sib_error *err);
/* A copy of bytes. */
sib_code mapping_copy(wire_span bytes, mapping **out, sib_error *err);
void mapping_keep(mapping *m);
/* One reference less. Fits sib_release. */
void mapping_release(void *m);

/* The folder in which a file stands, without a slash at the end; "." for none. NULL where memory cannot be had.
   Release with mem_free. */
char *mapping_folder(const char *path);

/* The path of the file `location`, from inside `folder` and nowhere else: relative, without "..", and also after
   following links not outside. anywhere: all of that is allowed. Release with mem_free.
   Errors: SIB_ERR_FORMAT (location), SIB_ERR_IO (no such file), SIB_ERR_MEMORY. */
sib_code mapping_locate(const char *folder, sib_str location, bool anywhere, char **path, sib_error *err);

#endif
