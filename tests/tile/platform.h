/* What checksum.c needs of where it runs: standard C, or a debugger's services on a bare processor. */
#ifndef TESTS_TILE_PLATFORM_H
#define TESTS_TILE_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

void platform_print(const char *line);

/* Opens a file to read; 0 where there is none. One at a time. */
int platform_open(const char *name);

/* Reads up to n bytes and says how many it read. */
size_t platform_read(unsigned char *bytes, size_t n);

/* Around what is measured; platform_finish tells, where it can, instructions a frame. */
void platform_measure(int begin);
void platform_finish(void);

#endif
