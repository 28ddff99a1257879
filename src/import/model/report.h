/* Results of an import: every weight, and every problem. */
#ifndef IMPORT_REPORT_H
#define IMPORT_REPORT_H

#include "graph/arena.h"
#include "import/read/checkpoint.h"
#include <sibyl/import.h>

struct sib_import_report {
    graph_arena *arena;                      /* holds all strings and dims */
    const char *format, *recipe, *tokenizer; /* tokenizer: kind of the one next to the model, or NULL */
    size_t n_weights, n_problems, problem_capacity;
    sib_import_weight *weights;   /* (n_weights) in the order of the checkpoint */
    sib_import_problem *problems; /* (n_problems) */
    uint64_t parameters, bytes_read, bytes_written;
};

/* A report with every weight of c. Errors: SIB_ERR_MEMORY. */
sib_code report_create(const checkpoint *c, sib_import_report **out, sib_error *err);

/* Adds a problem with a formatted sentence. Errors: SIB_ERR_MEMORY. */
sib_code report_add(sib_import_report *r, sib_import_fault fault, const char *name, sib_error *err,
                    const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Fails where weights are missing, unexpected or of the wrong shape, with their number and the first ones.
   path: for the message. Errors: SIB_ERR_FORMAT. */
sib_code report_refuse(const sib_import_report *r, const char *path, sib_error *err);

/* Adds statistics of every weight to r, and problems for NaN, infinities and zeros. work: receives the
   progress. Errors: SIB_ERR_VALUE (NaN and infinities), SIB_ERR_CANCELLED, SIB_ERR_MEMORY. */
struct import_work;
sib_code report_check(sib_import_report *r, const checkpoint *c, struct import_work *work, sib_error *err);

#endif
