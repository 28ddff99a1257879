#include "set/tar.h"

#include <errno.h>
#include <string.h>

#define BLOCK     512
#define MAX_BYTES ((uint64_t)1 << 33) /* eleven octal digits */

/* POSIX.1-1988, "ustar". */
static void write_header(char h[BLOCK], const char *name, uint64_t bytes)
{
    unsigned sum = 0;
    memset(h, 0, BLOCK);
    snprintf(h, 100, "%s", name);
    memcpy(h + 100,
           "0000644\0"
           "0000000\0"
           "0000000\0",
           24); /* mode, owner, group */
    snprintf(h + 124, 12, "%011llo", (unsigned long long)bytes);
    memcpy(h + 136,
           "00000000000\0"
           "        "
           "0",
           21); /* time, checksum as blanks, a file */
    memcpy(h + 257,
           "ustar\0"
           "00",
           8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (unsigned char)h[i];
    snprintf(h + 148, 7, "%06o", sum);
}

bool tar_member(FILE *tar, const char *name, uint64_t bytes, FILE *data, uint64_t *at)
{
    char block[BLOCK];
    if (bytes >= MAX_BYTES) {
        errno = EFBIG;
        return false;
    }
    write_header(block, name, bytes);
    bool done = fwrite(block, 1, BLOCK, tar) == BLOCK;
    *at = (uint64_t)ftello(tar);
    for (uint64_t left = bytes; left && done;) {
        const size_t n = left < BLOCK ? (size_t)left : BLOCK;
        memset(block, 0, BLOCK);
        errno = EIO; /* where the file is shorter than was said */
        done = fread(block, 1, n, data) == n && fwrite(block, 1, BLOCK, tar) == BLOCK;
        left -= n;
    }
    return done;
}

bool tar_end(FILE *tar)
{
    static const char zeros[2 * BLOCK];
    return fwrite(zeros, 1, sizeof zeros, tar) == sizeof zeros;
}
