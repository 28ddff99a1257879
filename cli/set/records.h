/* The manifest of a shard: a line of JSON for each item, in the items' order, with its number as "n". While the shard is
   worked on NAME.part grows beside NAME.kept, which has the lines of calls before; NAME itself appears when all is done.
   Neither is ever held in memory. */
#ifndef CLI_SET_RECORDS_H
#define CLI_SET_RECORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

typedef struct set_records {
    char *path, *part, *kept; /* names */
    FILE *to, *from;          /* part, which is locked; kept, or NULL */
    char *line;
    json_t *next;  /* of kept: read and not yet asked for, or NULL */
    FILE *waiting; /* lines that are not yet written */
    char *text;
    size_t size;
} set_records;

/* Waits, with a line on stderr, while another process works on the shard. Returns false, with a line on stderr, on
   failure; set_records_end(r) in any case. */
bool set_records_begin(set_records *r, const char *path);
/* Calls `see` with each line of calls before; then set_record_of begins with the first. */
void set_records_each(set_records *r, void (*see)(const json_t *record, void *context), void *context);
/* What calls before said of item n, or NULL; n increases from call to call. Released with json_decref. */
json_t *set_record_of(set_records *r, uint64_t n);
/* Adds a line, which set_records_write writes with all others since. Takes the record over. */
void set_record_put(set_records *r, json_t *record);
/* Returns false, with a line on stderr, on failure. */
bool set_records_write(set_records *r);
/* The shard is done: NAME appears. Likewise. */
bool set_records_commit(set_records *r);
void set_records_end(set_records *r);

#endif
