/* Checksums of frames, printed by platform.h. */
#ifndef TESTS_TILE_CHECKSUM_H
#define TESTS_TILE_CHECKSUM_H

#include "platform.h"

typedef struct {
    uint32_t hash, frames; /* FNV-1a of all bytes */
} checksum;

#define CHECKSUM_BASIS UINT32_C(2166136261) /* the hash of nothing */

static inline void checksum_add(checksum *c, const void *data, size_t n)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++)
        c->hash = (c->hash ^ p[i]) * UINT32_C(16777619);
}

/* A line: the name, the hash and the number of frames in hexadecimal. */
static inline void checksum_print(const char *name, const checksum *c)
{
    static const char digits[] = "0123456789abcdef";
    char line[64];
    int n = 0;
    while (name[n]) {
        line[n] = name[n];
        n++;
    }
    const uint32_t numbers[2] = {c->hash, c->frames};
    for (int i = 0; i < 2; i++) {
        line[n++] = ' ';
        for (int shift = 28; shift >= 0; shift -= 4)
            line[n++] = digits[numbers[i] >> shift & 15];
    }
    line[n++] = '\n';
    line[n] = 0;
    platform_print(line);
}

#endif
