/* Which items of a set a process works on. */
#ifndef CLI_SET_SHARD_H
#define CLI_SET_SHARD_H

#include <stdbool.h>

typedef struct set_shard {
    long index, count; /* items index, index + count, ... */
    const char *from;  /* who says so */
} set_shard;

/* text: of --shard, or NULL for what the environment says. Returns false, with a line on stderr, on failure. */
bool set_shard_find(const char *text, set_shard *out);

#endif
