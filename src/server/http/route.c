#include "server/http/route.h"

#include "server/http/exchange_inner.h"

#include <stdio.h>
#include <string.h>

/* Whether a path fits a route's; the parts that stand for braces are put in params (n of MAX_PARAMS). */
static bool fits(const char *pattern, const char *path, const char **begins, size_t *sizes, size_t *n)
{
    *n = 0;
    while (*pattern && *path) {
        if (*pattern == '{') {
            size_t size = strcspn(path, "/");
            if (!size || *n == MAX_PARAMS)
                return false;
            begins[*n] = path;
            sizes[(*n)++] = size;
            path += size;
            pattern = strchr(pattern, '}') + 1;
        } else if (*pattern++ != *path++)
            return false;
    }
    return !*pattern && !*path;
}

unsigned route_find(const route_table *table, exchange *x, char *allow, size_t size)
{
    const char *begins[MAX_PARAMS];
    size_t sizes[MAX_PARAMS], n = 0, used = 0;
    allow[0] = 0;
    for (size_t i = 0; i < table->n; i++) {
        const route *r = &table->rows[i];
        if (!fits(r->path, x->path, begins, sizes, &n))
            continue;
        if (strcmp(r->method, x->method) != 0) {
            used += (size_t)snprintf(allow + used, size - used, "%s%s", used ? ", " : "", r->method);
            used = used < size ? used : size - 1;
            continue;
        }
        for (size_t k = 0; k < n; k++)
            if (!exchange_set(&x->params[k], begins[k], sizes[k]))
                return 503;
        x->route = r;
        return 0;
    }
    return used ? 405 : 404;
}
