/* Products of four bytes in plain C; gemm_int.inc.h and bytes.inc.h define the operations. */
#ifndef SIMD_INT_C_H
#define SIMD_INT_C_H

#include <stdint.h>
#include <string.h>

typedef int32_t vi;
#define VI_LANES   1
#define VI_GROUP   4
#define VI_ELEMENT 1

static inline vi vi_zero(void)
{
    return 0;
}

/* Four bytes in one word. */
static inline vi vi_left(const char *a)
{
    vi v;
    memcpy(&v, a, sizeof v);
    return v;
}

static inline vi vi_right(const int8_t *b)
{
    return vi_left((const char *)b);
}

static inline vi vi_plain(const uint8_t *b)
{
    vi v;
    memcpy(&v, b, sizeof v);
    return v;
}

static inline vi vi_dot_plain(vi sum, vi left, vi plain)
{
    int8_t l[4];
    uint8_t b[4];
    memcpy(l, &left, sizeof l);
    memcpy(b, &plain, sizeof b);
    return (vi)((uint32_t)sum + (uint32_t)(l[0] * b[0] + l[1] * b[1] + l[2] * b[2] + l[3] * b[3]));
}

/* left: unsigned bytes of A; right: signed bytes. */
static inline vi vi_dot(vi sum, vi left, vi right)
{
    return vi_dot_plain(sum, right, left);
}

#define VI_JOIN 1
static inline void vi_join(const uint8_t *const *rows, size_t l, int32_t flip, uint8_t *dst)
{
    for (int q = 0; q < VI_GROUP; q++)
        dst[q] = (uint8_t)(rows[q][l] ^ (flip & 0xff));
}

static inline void vi_store(int32_t *p, vi v)
{
    *p = v;
}

#endif
