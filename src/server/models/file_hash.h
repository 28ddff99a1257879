/* SHA-256 of the file of a model: known at once where it is small, otherwise once somebody asks. */
#ifndef SIB_SERVER_FILE_HASH_H
#define SIB_SERVER_FILE_HASH_H

#include <sibyl/base.h>

#include <sibyl/sibyl.h>

struct exchange;

typedef struct file_hash file_hash;

/* Of what a path names now; of more than 16 MiB it is not read yet. NULL: no memory. */
file_hash *file_hash_create(const char *path);
/* Of bytes. NULL: no memory. */
file_hash *file_hash_of_bytes(const void *data, size_t size);
void file_hash_free(file_hash **h);

/* In hex; NULL where it is not known yet. Lives as long as h. Thread-safe, and never waits. */
const char *file_hash_known(file_hash *h);
/* Reads the file unless it is known; others that ask meanwhile wait. x: whose client may go, or NULL. Thread-safe.
   Errors: SIB_ERR_UNSUPPORTED (no file but a folder), SIB_ERR_IO (another file, or none, has its name by now),
   SIB_ERR_CANCELLED, SIB_ERR_MEMORY. */
sib_code file_hash_get(file_hash *h, const struct exchange *x, const char **out, sib_error *err);

#endif
