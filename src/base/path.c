#include "base/path.h"

#include "base/alloc.h"
#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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

static bool climbs(const char *name)
{
    for (const char *part = name;; part = strchr(part, '/') + 1) {
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || !part[2]))
            return true;
        if (!strchr(part, '/'))
            return false;
    }
}

static sib_code resolve(const char *path, const char *name, char **out, sib_error *err)
{
    *out = path ? realpath(path, NULL) : NULL;
    if (*out)
        return SIB_OK;
    return !path || errno == ENOMEM ? err_memory(err, strlen(name), "a path")
                                    : err_set(err, SIB_ERR_IO, "%s: %s", path, strerror(errno));
}

sib_code path_confined(const char *folder, const char *name, char **out, sib_error *err)
{
    char *joined = path_join(folder ? folder : ".", name), *root = NULL, *real = NULL;
    *out = NULL;
    sib_code code = SIB_OK;
    if (name[0] == '/' || climbs(name))
        code = err_set(err, SIB_ERR_ARGUMENT, "'%s' is no name of a file inside the folder of what names it",
                       name);
    if (code == SIB_OK)
        code = resolve(folder ? folder : ".", name, &root, err);
    if (code == SIB_OK)
        code = resolve(joined, name, &real, err);
    size_t n = root ? strlen(root) : 0;
    n -= n == 1; /* root is "/" */
    if (code == SIB_OK && (strncmp(real, root, n) != 0 || real[n] != '/'))
        code = err_set(err, SIB_ERR_ARGUMENT, "'%s' leads out of the folder of what names it", name);
    if (code == SIB_OK && !(*out = mem_strdup(real)))
        code = err_memory(err, strlen(real), "a path");
    free(real);
    free(root);
    mem_free(joined);
    return code;
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
