#include "nearest.h"

#include "messages.h"

#include <string.h>

#define MAX_LETTERS 64

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance; both have at most MAX_LETTERS. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[MAX_LETTERS + 1];
    for (size_t k = 0; k <= m; k++)
        row[k] = k;
    for (size_t i = 0; i < n; i++) {
        size_t before = row[0]; /* of the row above, to the left */
        row[0] = i + 1;
        for (size_t k = 0; k < m; k++) {
            const size_t replaced = before + (a[i] != b[k]);
            before = row[k + 1];
            row[k + 1] = smaller(replaced, smaller(before, row[k]) + 1);
        }
    }
    return row[m];
}

void nearest_try(nearest *n, const char *name)
{
    const size_t length = strlen(name);
    if (length > MAX_LETTERS || n->length > MAX_LETTERS || n->length < 3)
        return;
    const size_t d = distance(n->typed, n->length, name, length);
    if (3 * d > length || (n->name && d >= n->distance))
        return;
    n->name = name;
    n->distance = d;
}

char *nearest_hint(const nearest *n, const char *before)
{
    return n->name ? cli_format(", did you mean %s%s?", before, n->name) : cli_format("%s", "");
}
