/* Files that appear complete or not at all: written aside in the same folder, then renamed. */
#ifndef BASE_OUTFILE_H
#define BASE_OUTFILE_H

#include <sibyl/base.h>
#include <stdio.h>

typedef struct outfile {
    FILE *stream; /* write here */
    char *path;   /* final name */
    char *aside;  /* where it is being written */
} outfile;

/* Begins a file that will be called `path`. Errors: SIB_ERR_IO names the path, SIB_ERR_MEMORY. */
sib_code outfile_begin(outfile *f, const char *path, sib_error *err);

/* Flushes, closes and renames; on failure (a full disk shows here) nothing is left behind. Ends f either way. */
sib_code outfile_commit(outfile *f, sib_error *err);

/* Drops what was written. Ends f. An f that is ended or all zero is allowed. */
void outfile_abort(outfile *f);

#endif
