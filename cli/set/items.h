/* The items of manifests, one after another. */
#ifndef CLI_SET_ITEMS_H
#define CLI_SET_ITEMS_H

#include "options.h"

#include <stdint.h>

/* Reads a line without its end into line (max + 1). *length: its bytes, more than max where the rest was left out. Returns
   false at the end of the file. ended: whether a line end followed; or NULL. */
bool set_line(FILE *f, char *line, size_t max, size_t *length, bool *ended);

typedef struct set_items {
    const cli_list *manifests;
    size_t at; /* manifest that is open, */
    FILE *file;
    uint64_t n_line;
    char *line;
    char *name; /* of the item, as listed; "line 7 of a.jsonl" where it has none */
    char *path; /* where it is; NULL: err has why not */
    char error[300];
} set_items;

/* Opens each manifest once. Returns false, with a line on stderr, if one cannot be read. */
bool set_items_begin(set_items *s, const cli_list *manifests);
/* The next item, false after the last, or with a line on stderr and *failed where a manifest cannot be read. skip: those
   that are passed over, for which nothing but their line is read. */
bool set_items_next(set_items *s, uint64_t skip, bool *failed);
void set_items_end(set_items *s);

#endif
