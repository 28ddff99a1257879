/* Values in the files of a form, to compare a run with. */
#ifndef SIB_SERVER_COMPARE_FILES_H
#define SIB_SERVER_COMPARE_FILES_H

#include "server/http/exchange.h"
#include "server/runs/run.h"

typedef struct compare_files {
    size_t n, capacity;
    run_value *values; /* (n) with name and value alone */
    struct server *server;
    uint64_t bytes; /* of elements, counted in the server's held_bytes */
} compare_files;

/* A part .npy has the value of the part's name, a part .npz those of its arrays' names. Errors: SIB_ERR_ARGUMENT (no part,
   a name given twice), those of the files, SIB_ERR_SIZE (more elements than --max-upload has bytes), SIB_ERR_MEMORY.
   compare_files_free(out) in both cases. */
sib_code compare_files_read(exchange *x, compare_files *out, sib_error *err);
void compare_files_free(compare_files *f);

#endif
