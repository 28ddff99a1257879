/* Tars in the form of WebDataset: the members of an item stand together and have one name but for the ending. */
#ifndef CLI_SET_TAR_H
#define CLI_SET_TAR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Appends a member, which has no owner and no time, so that the same members make the same bytes; *at: where its data
   begin. name: at most 99 bytes. Returns false with errno set. */
bool tar_member(FILE *tar, const char *name, uint64_t bytes, FILE *data, uint64_t *at);
/* What ends a tar. Likewise. */
bool tar_end(FILE *tar);

#endif
