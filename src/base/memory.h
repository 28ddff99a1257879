/* How much memory this process may have. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stdint.h>

/* Bytes of anonymous memory that this process has, and what the machine and the process's control groups
   have left for it without swapping; UINT64_MAX where nothing tells. root: put before the paths of /proc and
   /sys, "" but in tests. */
uint64_t memory_room(const char *root);

/* The limit (sib_memory_limit_set) that refused an allocation since the last call; 0: none did. */
uint64_t mem_refused(void);

#endif
