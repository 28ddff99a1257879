/* Progress and cancellation of an import. */
#ifndef IMPORT_WORK_H
#define IMPORT_WORK_H

#include <sibyl/import.h>

typedef struct import_work {
    const sib_import_options *options;
    uint64_t done, total; /* bytes of weights, read for checks and scales, and written */
    uint64_t foreseen;    /* about what total will be, while the recipe still adds to it; else 0 */
} import_work;

/* Adds `bytes` to the work done on `what` and reports it. Errors: SIB_ERR_CANCELLED. */
sib_code work_did(import_work *w, uint64_t bytes, const char *what, sib_error *err);

#endif
