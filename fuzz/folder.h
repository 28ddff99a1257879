/* The folder that targets write files into, in memory where the system has such, removed when the process ends. */
#ifndef FUZZ_FOLDER_H
#define FUZZ_FOLDER_H

#include <stddef.h>

const char *fuzz_folder(void);
/* Removes all that is in it. */
void fuzz_folder_clear(void);
/* Writes a file of n bytes. One of safetensors has a line `NAME DTYPE DIM...` for each weight, whose elements are 0. */
void fuzz_folder_file(const char *name, const void *data, size_t n);

#endif
