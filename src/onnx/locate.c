#include "onnx/locate.h"

#include "base/alloc.h"
#include "base/error.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool has_parent_step(const char *path)
{
    for (const char *p = path; *p; p += strspn(p, "/")) {
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.')
            return true;
        p += n;
    }
    return false;
}

/* True where `path` is inside `folder`, links followed in both; `real` receives the resolved path. */
static sib_code check_inside(const char *folder, const char *path, const char *location, char *real,
                             sib_error *err)
{
    char base[PATH_MAX];
    if (!realpath(folder, base))
        return err_set(err, SIB_ERR_IO, "the folder '%s' of external data: %s", folder, strerror(errno));
    if (!realpath(path, real))
        return err_set(err, SIB_ERR_IO, "external data '%s' in folder '%s': %s", location, folder,
                       strerror(errno));
    size_t n = strlen(base);
    bool root = n == 1;
    if (strncmp(base, real, n) != 0 || (!root && real[n] != '/'))
        return err_set(err, SIB_ERR_FORMAT, "external data '%s' leads out of the model's folder by a link",
                       location);
    return SIB_OK;
}

sib_code locate_external(const char *folder, sib_str location, bool anywhere, char **path, sib_error *err)
{
    char name[PATH_MAX], joined[PATH_MAX], real[PATH_MAX];
    *path = NULL;
    if (location.length == 0 || location.length >= sizeof name || memchr(location.data, 0, location.length))
        return err_set(err, SIB_ERR_FORMAT,
                       "the location of external data has %zu bytes or a zero byte, expected a path",
                       location.length);
    memcpy(name, location.data, location.length);
    name[location.length] = '\0';
    bool absolute = name[0] == '/';
    if (!anywhere && absolute)
        return err_set(err, SIB_ERR_FORMAT,
                       "external data '%s' is an absolute path, expected one in the model's folder", name);
    if (!anywhere && has_parent_step(name))
        return err_set(err, SIB_ERR_FORMAT,
                       "external data '%s' goes up with '..', expected a path in the model's folder", name);
    size_t folder_length = absolute ? 0 : strlen(folder) + 1;
    if (folder_length + location.length >= sizeof joined)
        return err_set(err, SIB_ERR_FORMAT, "the path of external data '%.100s' is too long", name);
    if (!absolute) {
        memcpy(joined, folder, folder_length - 1);
        joined[folder_length - 1] = '/';
    }
    memcpy(joined + folder_length, name, location.length + 1);
    if (!anywhere) {
        sib_code code = check_inside(folder, joined, name, real, err);
        if (code != SIB_OK)
            return code;
    }
    *path = mem_strdup(anywhere ? joined : real);
    return *path ? SIB_OK : err_memory(err, strlen(joined), "a path");
}
