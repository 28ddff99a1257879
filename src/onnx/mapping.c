#include "onnx/mapping.h"

#include "base/alloc.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static mapping *mapping_new(void)
{
    mapping *m = mem_calloc(1, sizeof *m);
    if (m)
        atomic_init(&m->references, 1);
    return m;
}

/* Maps an open file. An empty one has nothing to map. */
static sib_code map_descriptor(int fd, const char *path, mapping *m, sib_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_set(err, SIB_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, SIB_ERR_IO, "%s: is %s, expected a file", path,
                       S_ISDIR(st.st_mode) ? "a folder" : "no regular file");
    m->device = (uint64_t)st.st_dev;
    m->inode = (uint64_t)st.st_ino;
    m->bytes.data = (const uint8_t *)"";
    if (st.st_size == 0)
        return SIB_OK;
    if ((uint64_t)st.st_size > PTRDIFF_MAX)
        return err_set(err, SIB_ERR_SIZE, "%s: does not fit in the address space", path);
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return err_set(err, SIB_ERR_IO, "%s: cannot be mapped: %s", path, strerror(errno));
    m->mapped = at;
    m->bytes = (wire_span){at, (size_t)st.st_size};
    return SIB_OK;
}

sib_code mapping_open(const char *path, mapping **out, sib_error *err)
{
    *out = NULL;
    mapping *m = mapping_new();
    if (!m)
        return err_memory(err, sizeof *m, "a mapped file");
    /* Without O_NONBLOCK a pipe would wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    sib_code code =
        fd < 0 ? err_set(err, SIB_ERR_IO, "%s: %s", path, strerror(errno)) : map_descriptor(fd, path, m, err);
    if (fd >= 0)
        close(fd);
    if (code != SIB_OK) {
        mapping_release(m);
        return code;
    }
    *out = m;
    return SIB_OK;
}

sib_code mapping_copy(wire_span bytes, mapping **out, sib_error *err)
{
    *out = NULL;
    mapping *m = mapping_new();
    uint8_t *copy = mem_alloc(bytes.size, 1);
    if (!m || !copy) {
        mem_free(m);
        mem_free(copy);
        return err_memory(err, bytes.size, "a copy of a model");
    }
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    m->owned = copy;
    m->bytes = (wire_span){copy, bytes.size};
    *out = m;
    return SIB_OK;
}

void mapping_keep(mapping *m)
{
    atomic_fetch_add_explicit(&m->references, 1, memory_order_relaxed);
}

void mapping_release(void *context)
{
    mapping *m = context;
    if (!m || atomic_fetch_sub_explicit(&m->references, 1, memory_order_acq_rel) != 1)
        return;
    if (m->mapped)
        munmap(m->mapped, m->bytes.size);
    mem_free(m->owned);
    mem_free(m);
}

/* ---- Where external data may stand ---------------------------------------------------------------- */

char *mapping_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return mem_strdup(".");
    size_t n = slash == path ? 1 : (size_t)(slash - path);
    char *folder = mem_alloc(n + 1, 1);
    if (!folder)
        return NULL;
    memcpy(folder, path, n);
    folder[n] = '\0';
    return folder;
}

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

/* True where the file at `path`, links followed, stands below `folder`, links followed; `real` receives it. */
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

sib_code mapping_locate(const char *folder, sib_str location, bool anywhere, char **path, sib_error *err)
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
