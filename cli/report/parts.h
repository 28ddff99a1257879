/* The parts of `sibyl report`: what was found in a run, and the sections of the document. */
#ifndef CLI_REPORT_PARTS_H
#define CLI_REPORT_PARTS_H

#include "model/compare_runs.h"
#include "model/profile_text.h"

#include <stdio.h>

/* A value of the run with what is shown of it. */
typedef struct reported {
    char *name, *type; /* type: with the dims of the run */
    sib_digest digest;
} reported;

typedef struct report {
    const char *title;
    const sib_model *m;
    const sib_graph *graph; /* the main graph */
    profile_of profile;
    reported *values;                      /* (n_values) in the order in which they were computed */
    size_t n_values, capacity, n_left_out; /* left out: values beyond the limit */
    const reported **by_name;              /* (n_values) sorted by name, equal ones in order */
    const char *against;                   /* what the values were compared with; NULL: nothing */
    comparison compared;
    sib_tolerance tolerance;
} report;

/* The last value of that name; NULL: there is none. */
const reported *report_value(const report *r, const char *name);
/* Its comparison; NULL: there is none. */
const difference *report_difference(const report *r, const char *name);
/* Whether a value has NaN or infinite elements. */
bool reported_not_finite(const reported *v);

/* Sections; each writes nothing where there is nothing to show. */
void report_findings(FILE *f, const report *r);
void report_model(FILE *f, const report *r);
void report_nodes(FILE *f, const report *r);
void report_differences(FILE *f, const report *r);
void report_profile(FILE *f, const report *r);

/* An image of the cells of a digest, and its histogram. */
void report_cells(FILE *f, const sib_digest *d);
void report_histogram(FILE *f, const sib_digest *d);

/* The entire document. */
void report_write(FILE *f, const report *r);

#endif
