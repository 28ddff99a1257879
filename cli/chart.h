/* Charts in files: bars, and errors along a model. */
#ifndef CLI_CHART_H
#define CLI_CHART_H

#include "messages.h"

/* A row: its label, a bar, and text behind it. A heading has no text (NULL). Strings are released by chart_free. */
typedef struct chart_row {
    char *label, *text;
    double value; /* 0 or more */
} chart_row;

typedef struct chart {
    chart_row *rows; /* (n) */
    size_t n, room;
} chart;

/* Takes over label and text. */
void chart_add(chart *c, char *label, char *text, double value);
void chart_free(chart *c);

/* Writes bars as PNG, or SVG by the name's ending. Returns false, with a line on stderr, on failure. */
bool chart_write(const chart *c, const char *title, const char *path);

/* A value of a model, in the order of the graph. */
typedef struct chart_error {
    const char *name;
    double error, noise; /* 0 or more; not finite: as high as the chart */
    bool differs;
} chart_error;

/* Writes errors (n) as a chart of powers of ten, likewise: grey what rounding explains, blue errors within it, red others,
   of which the first is named. */
bool chart_errors_write(const chart_error *errors, size_t n, const char *title, const char *path);

#endif
