#include "job/document/pattern.h"

#include "base/alloc.h"

#include <stdio.h>

bool pattern_fits(const char *pattern, const char *name, sib_str *star)
{
    const char *at = strchr(pattern, '*');
    *star = (sib_str){"", 0};
    if (!at)
        return !strcmp(pattern, name);
    size_t front = (size_t)(at - pattern), back = strlen(at + 1), length = strlen(name);
    if (length < front + back || strncmp(pattern, name, front) || strcmp(name + length - back, at + 1))
        return false;
    *star = (sib_str){name + front, length - front - back};
    return true;
}

char *pattern_fill(const char *pattern, sib_str star)
{
    const char *at = strchr(pattern, '*');
    if (!at)
        return mem_strdup(pattern);
    size_t size = strlen(pattern) + star.length;
    char *out = mem_alloc(size, 1);
    if (out)
        snprintf(out, size, "%.*s%.*s%s", (int)(at - pattern), pattern, (int)star.length, star.data, at + 1);
    return out;
}
