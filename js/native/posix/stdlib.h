/* What wasi-libc's <stdlib.h> lacks. */
#ifndef SIBYL_POSIX_STDLIB_H
#define SIBYL_POSIX_STDLIB_H

#include_next <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Links are not resolved: WASI opens no file that is not in a folder which the program was given. */
static inline char *realpath(const char *path, char *out)
{
    struct stat st;
    (void)out;
    return stat(path, &st) == 0 ? strdup(path) : NULL;
}

#endif
