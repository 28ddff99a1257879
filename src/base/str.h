/* Borrowed text with a length (sib_str): part of a file, a name in a graph. */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <sibyl/tensor.h>
#include <string.h>

static inline sib_str str_of(const char *text)
{
    return (sib_str){text, strlen(text)};
}

static inline bool str_same(sib_str a, sib_str b)
{
    return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool str_is(sib_str s, const char *text)
{
    return str_same(s, str_of(text));
}

static inline bool str_starts(sib_str s, const char *text)
{
    size_t n = strlen(text);
    return s.length >= n && (n == 0 || memcmp(s.data, text, n) == 0);
}

/* Compares as memcmp does, a prefix before longer texts: < 0, 0 or > 0. */
static inline int str_compare(sib_str a, sib_str b)
{
    size_t n = a.length < b.length ? a.length : b.length;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

/* s without its first n bytes. Requires n <= s.length. */
static inline sib_str str_from(sib_str s, size_t n)
{
    return (sib_str){n ? s.data + n : s.data, s.length - n};
}

#endif
