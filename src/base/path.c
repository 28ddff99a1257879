#include "base/path.h"

#include "base/alloc.h"
#include "base/error.h"

#include <errno.h>
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

bool path_is_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    n -= n == 1; /* "/" */
    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

sib_code path_resolve(const char *path, char **out, sib_error *err)
{
    char *real = realpath(path, NULL);
    *out = real ? mem_strdup(real) : NULL;
    bool memory = real ? !*out : errno == ENOMEM;
    free(real);
    if (*out)
        return SIB_OK;
    return memory ? err_memory(err, strlen(path), "a path")
                  : err_set(err, SIB_ERR_IO, "%s: %s", path, strerror(errno));
}

sib_code path_confined(const char *folder, const char *name, char **out, sib_error *err)
{
    *out = NULL;
    if (name[0] == '/' || climbs(name))
        return err_set(err, SIB_ERR_ARGUMENT, "'%s' %s, expected a path in the folder '%s'", name,
                       name[0] == '/' ? "is an absolute path" : "goes up with '..'", folder);
    char *joined = path_join(folder, name), *root = NULL;
    sib_code code = joined ? path_resolve(folder, &root, err) : err_memory(err, strlen(name), "a path");
    if (code == SIB_OK)
        code = path_resolve(joined, out, err);
    if (code == SIB_OK && !path_is_inside(*out, root)) {
        code = err_set(err, SIB_ERR_ARGUMENT, "'%s' leads out of the folder '%s' by a link", name, folder);
        mem_free(*out);
        *out = NULL;
    }
    mem_free(root);
    mem_free(joined);
    return code;
}

char *path_with_extension(const char *path, const char *ending)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
    size_t stem = dot && dot > (slash ? slash + 1 : path) ? (size_t)(dot - path) : strlen(path);
    size_t size = stem + strlen(ending) + 1;
    char *result = mem_alloc(size, 1);
    if (result)
        snprintf(result, size, "%.*s%s", (int)stem, path, ending);
    return result;
}
