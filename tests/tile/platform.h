/* What checksum.c needs from its platform: standard C, or a debugger's services on a bare processor. */
#ifndef TESTS_TILE_PLATFORM_H
#define TESTS_TILE_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

void platform_print(const char *line);

/* Opens a file for reading; returns 0 if there is none. One at a time. */
int platform_open(const char *name);

/* Reads up to n bytes and returns the number read. */
size_t platform_read(unsigned char *bytes, size_t n);

/* Called before and after the measured code; platform_finish prints instructions per frame, if it can. */
void platform_measure(int begin);
void platform_finish(void);

#endif
