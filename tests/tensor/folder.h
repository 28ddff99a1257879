/* Files in the folder of a test program. */
#ifndef TESTS_TENSOR_FOLDER_H
#define TESTS_TENSOR_FOLDER_H

#include "../folder.h"
#include "support.h"

#include <unistd.h>

static inline const char *write_file(const char *name, const void *bytes, size_t n)
{
    const char *path = in_folder(name);
    unlink(path); /* some file systems flush a file to disk when it is truncated and rewritten */
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
    return path;
}

/* The content of an entire file; free with free(). */
static inline unsigned char *read_whole(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    unsigned char *bytes = malloc(*n + 1);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    fclose(f);
    return bytes;
}

#endif
