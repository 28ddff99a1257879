/* Files of a form as inputs of a run. */
#ifndef SIB_SERVER_RUN_FILES_H
#define SIB_SERVER_RUN_FILES_H

#include "server/http/exchange.h"

typedef struct run_files run_files;

/* The parts of x but the field "request"; x must outlive them. Errors: SIB_ERR_ARGUMENT (two parts of one name),
   SIB_ERR_MEMORY. */
sib_code run_files_create(const exchange *x, run_files **out, sib_error *err);
void run_files_free(run_files **f);

/* The part of this name, which is used now; NULL where there is none. */
const part *run_files_take(run_files *f, const char *name);
bool run_files_has(const run_files *f, const char *name);
/* Makes *out, owned by the caller, of the file that `spec` names, {"file": PART, "format", "dtype", "shape"}, for the
   input v; spec NULL: of the part that has the input's name. max_bytes: of memory for it. Errors: SIB_ERR_ARGUMENT,
   SIB_ERR_FORMAT, SIB_ERR_UNSUPPORTED, SIB_ERR_SIZE with the input's name; SIB_ERR_MEMORY. */
sib_code run_files_read(run_files *f, const sib_value_info *v, const json_t *spec, uint64_t max_bytes,
                        sib_tensor **out, sib_error *err);
/* Errors: SIB_ERR_ARGUMENT (a part that no input has used). */
sib_code run_files_check(const run_files *f, sib_error *err);

#endif
