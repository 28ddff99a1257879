/* Files that appear complete or not at all: written under a temporary name in the same folder, then
   renamed. */
#ifndef BASE_OUTFILE_H
#define BASE_OUTFILE_H

#include <sibyl/base.h>
#include <stdio.h>

typedef struct outfile {
    FILE *stream; /* write here */
    char *path;   /* final name */
    char *aside;  /* temporary name */
} outfile;

/* Begins a file with the final name `path`, and removes what processes that were ended left of such a file: the
   temporary names are NAME.0.part and on, and are locked while they are written. Errors: SIB_ERR_IO naming the path, SIB_ERR_MEMORY. */
sib_code outfile_begin(outfile *f, const char *path, sib_error *err);

/* Flushes, closes and renames; on failure, such as a full disk, nothing is left behind. Ends f in both
   cases. */
sib_code outfile_commit(outfile *f, sib_error *err);

/* Discards the file and ends f, which may already be ended or all zero. */
void outfile_abort(outfile *f);

/* Opens a file for reading and writing that has no name, so that nothing of it remains however the process
   ends: in the folder of `path`, or in $TMPDIR or /tmp where path is a device or pipe. *fd: owned by the
   caller, close(). Errors: SIB_ERR_IO naming the path, SIB_ERR_MEMORY. */
sib_code outfile_unnamed(const char *path, int *fd, sib_error *err);

/* Write and read n bytes from byte `at` of an open file on. path: for messages. Errors: SIB_ERR_IO, also
   where the file ends before. */
sib_code outfile_write_at(int fd, const void *data, size_t n, uint64_t at, const char *path, sib_error *err);
sib_code outfile_read_at(int fd, void *data, size_t n, uint64_t at, const char *path, sib_error *err);

/* What a lock says of a file or folder that is written aside: its lock ends with the process that writes it. */
typedef enum aside_state {
    ASIDE_OURS,    /* `path` is still its name, and nobody else has it until fd is closed */
    ASIDE_LOST,    /* another process has it, or has removed it */
    ASIDE_UNKNOWN, /* the file system has no locks */
} aside_state;

/* Locks what is opened as fd and was found, or made, as `path`. */
aside_state aside_lock(int fd, const char *path);

/* True where a file is written directly, since it cannot be renamed: a device or a pipe. */
bool outfile_is_special(const char *path);

#endif
