/* SHA-256 of what an item is made from, and of what was made. */
#ifndef CLI_SET_CHECKSUM_H
#define CLI_SET_CHECKSUM_H

#include "command.h"

#include <sibyl/sibyl.h>

/* Of a command's name and its options that change what it makes; files that options name count by their content, folders
   by name. model: likewise, or NULL. Returns false, with a line on stderr, where a file cannot be read. */
bool set_options_checksum(const cli_command *c, const void *settings, const char *model,
                          char text[SIB_SHA256_TEXT]);
/* Of an item's file behind that. Likewise. */
bool set_item_checksum(const char *options, const char *path, char text[SIB_SHA256_TEXT]);
/* Of `bytes` bytes of a file from `at` on. Returns false, without a line, where it cannot be read or ends before. */
bool set_part_checksum(const char *path, uint64_t at, uint64_t bytes, char text[SIB_SHA256_TEXT]);

#endif
