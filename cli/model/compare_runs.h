/* Two runs of a model compared value by value, in the order of the graph. */
#ifndef CLI_COMPARE_RUNS_H
#define CLI_COMPARE_RUNS_H

#include "messages.h"
#include "model/dump.h"
#include "recording.h"

/* Comparison of one value. */
typedef struct difference {
    const char *name, *node, *op_type; /* in recording b */
    bool milli;
    bool compared; /* both runs have it, with the same dtype and dims */
    sib_comparison figures;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    sib_diff_row judged;        /* of comparison_of_nodes */
    char why[SIB_MESSAGE_SIZE]; /* if it could not be compared: why */
} difference;

typedef struct comparison {
    difference *items; /* (n) in order of b */
    size_t n, n_different;
    const difference *first; /* the first that leaves tolerance, or NULL */
    bool by_node;            /* each node ran on the other side's values, and rounding is the tolerance */
} comparison;

/* Compares every value of b that a also has; a is the reference. Values of a that are float64 where b has a
   narrower float (a run in double) are first rounded to b's dtype. */
void compare_recordings(const recording *a, const recording *b, const sib_tolerance *tolerance,
                        comparison *out);
/* The same with a dump as a. Returns false, with a line on stderr, where a value of it cannot be read. */
bool compare_with_dump(const dump *a, const recording *b, const sib_tolerance *tolerance, comparison *out);
void comparison_free(comparison *c);

/* The rows of d, whose nodes ran on the other side's values. */
void comparison_of_nodes(const sib_diff *d, comparison *out);

/* {"values": [...], "compared", "different", "first": its name or null}. all: values that agree too. */
json_t *comparison_json(const comparison *c, bool all);

/* Prints a table of values: max abs, max rel, max ULP; then the first value that leaves tolerance. */
void comparison_show(const comparison *c, bool all);

#endif
