#include "base/path.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

char *path_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_strdup(".");
    size_t n = slash == path ? 1 : (size_t)(slash - path);
    char *folder = mem_alloc(n + 1, 1);
    if (folder) {
        memcpy(folder, path, n);
        folder[n] = '\0';
    }
    return folder;
}

char *path_join(const char *folder, const char *name)
{
    if (!folder || name[0] == '/')
        return mem_strdup(name);
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = mem_alloc(size, 1);
    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

char *path_beside(const char *path, const char *ending)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    size_t stem = dot && dot > (slash ? slash + 1 : path) ? (size_t)(dot - path) : strlen(path);
    size_t size = stem + strlen(ending) + 1;
    char *beside = mem_alloc(size, 1);
    if (beside)
        snprintf(beside, size, "%.*s%s", (int)stem, path, ending);
    return beside;
}
