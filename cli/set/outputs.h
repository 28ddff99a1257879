/* Where a shard puts what is made of its items: files below a folder, or tars in it. */
#ifndef CLI_SET_OUTPUTS_H
#define CLI_SET_OUTPUTS_H

#include "set/shard.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>

typedef struct set_outputs {
    const char *folder;
    const set_shard *shard;
    uint64_t limit;  /* bytes of a tar; 0: files */
    char *work;      /* folder for what is not complete, which this process alone uses */
    char *made;      /* in it: path of an item's files without their endings */
    FILE *tar;       /* or NULL where none is open */
    char *tar_name;  /* its file's, in the folder */
    uint64_t n_tars; /* number of the next one */
} set_outputs;

/* Makes the folder for work, and empties what a process that was killed left. Returns false, with a line on stderr, on
   failure; set_outputs_end(o) in any case. */
bool set_outputs_begin(set_outputs *o, const char *folder, const set_shard *shard, uint64_t limit);
/* Tars of earlier calls keep their numbers. */
void set_outputs_number(set_outputs *o, const json_t *record);
/* Whether the files of a record are there, as they were made. */
bool set_outputs_has(const set_outputs *o, const json_t *record);
/* Puts the files made.ENDING of an item in their places and says in the record, which has "n", where and what they are.
   Returns false, with a line on stderr, on failure. */
bool set_outputs_take(set_outputs *o, const char *item, const char *const *endings, json_t *record);
/* Whether all that was taken is in its place: false while a tar is open. */
bool set_outputs_settled(const set_outputs *o);
/* Ends the tar that is open. Likewise as set_outputs_take. */
bool set_outputs_settle(set_outputs *o);
void set_outputs_end(set_outputs *o);

#endif
