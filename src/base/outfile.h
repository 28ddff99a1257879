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

/* Begins a file with the final name `path`. Errors: SIB_ERR_IO naming the path, SIB_ERR_MEMORY. */
sib_code outfile_begin(outfile *f, const char *path, sib_error *err);

/* Flushes, closes and renames; on failure, such as a full disk, nothing is left behind. Ends f in both
   cases. */
sib_code outfile_commit(outfile *f, sib_error *err);

/* Discards the file and ends f, which may already be ended or all zero. */
void outfile_abort(outfile *f);

#endif
