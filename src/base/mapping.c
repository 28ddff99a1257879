#include "base/mapping.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
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

/* Reading a mapped file after it was truncated ends the process by SIGBUS, so files up to this size are
   copied. Larger ones are mapped, since copying would double the memory of a model's weights. */
#define COPY_BYTES ((size_t)1 << 20)

/* Reads n bytes of an open file into memory that the mapping owns. */
static sib_code copy_descriptor(int fd, const char *path, size_t n, mapping *m, sib_error *err)
{
    uint8_t *copy = m->owned = mem_alloc(n, 1);
    if (!copy)
        return err_memory(err, n, "a file");
    size_t got = 0;
    ssize_t more = 1;
    while (got < n && more != 0) {
        more = read(fd, copy + got, n - got);
        if (more < 0 && errno != EINTR)
            return err_set(err, SIB_ERR_IO, "%s: cannot be read: %s", path, strerror(errno));
        got += more > 0 ? (size_t)more : 0;
    }
    m->bytes = (byte_span){copy, got};
    return SIB_OK;
}

/* Maps or copies an open file. An empty one is not mapped. */
static sib_code map_descriptor(int fd, const char *path, mapping *m, sib_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return err_set(err, SIB_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, SIB_ERR_IO, "%s: is %s, expected a file", path,
                       S_ISDIR(st.st_mode) ? "a folder" : "not a regular file");
    m->device = (uint64_t)st.st_dev;
    m->inode = (uint64_t)st.st_ino;
    m->bytes.data = (const uint8_t *)"";
    if (st.st_size == 0)
        return SIB_OK;
    if ((uint64_t)st.st_size > PTRDIFF_MAX)
        return err_set(err, SIB_ERR_SIZE, "%s: does not fit in the address space", path);
    if ((size_t)st.st_size <= COPY_BYTES)
        return copy_descriptor(fd, path, (size_t)st.st_size, m, err);
    void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED)
        return err_set(err, SIB_ERR_IO, "%s: cannot be mapped: %s", path, strerror(errno));
    m->mapped = at;
    m->bytes = (byte_span){at, (size_t)st.st_size};
    return SIB_OK;
}

/* True where an open file is inside folder. Linux reports the path of an open file; without /proc, it must
   be the file that `path` names now, not a link. */
static bool is_inside(int fd, const char *path, const char *folder)
{
    char link[40], at[PATH_MAX];
    struct stat opened, named;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, at, sizeof at - 1);
    if (n < 0)
        return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev &&
               opened.st_ino == named.st_ino;
    at[n] = '\0';
    return path_is_inside(at, folder);
}

static sib_code open_mapped(const char *path, const char *folder, mapping **out, sib_error *err)
{
    *out = NULL;
    mapping *m = mapping_new();
    if (!m)
        return err_memory(err, sizeof *m, "a mapped file");
    /* Without O_NONBLOCK, opening a pipe would wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    sib_code code = SIB_OK;
    if (fd < 0)
        code = err_set(err, SIB_ERR_IO, "%s: %s", path, strerror(errno));
    else if (folder && !is_inside(fd, path, folder))
        code = err_set(err, SIB_ERR_FORMAT, "%s: is no longer in the folder '%s'", path, folder);
    else
        code = map_descriptor(fd, path, m, err);
    if (fd >= 0)
        close(fd);
    if (code != SIB_OK) {
        mapping_release(m);
        return code;
    }
    *out = m;
    return SIB_OK;
}

sib_code mapping_open(const char *path, mapping **out, sib_error *err)
{
    return open_mapped(path, NULL, out, err);
}

sib_code mapping_open_inside(const char *path, const char *folder, mapping **out, sib_error *err)
{
    return open_mapped(path, folder, out, err);
}

sib_code mapping_copy(byte_span bytes, mapping **out, sib_error *err)
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
    m->bytes = (byte_span){copy, bytes.size};
    *out = m;
    return SIB_OK;
}

void mapping_keep(mapping *m)
{
    SIB_ASSERT(atomic_load_explicit(&m->references, memory_order_relaxed) > 0);
    atomic_fetch_add_explicit(&m->references, 1, memory_order_relaxed);
}

void mapping_release(void *context)
{
    mapping *m = context;
    SIB_ASSERT(!m || atomic_load_explicit(&m->references, memory_order_relaxed) > 0);
    if (!m || atomic_fetch_sub_explicit(&m->references, 1, memory_order_acq_rel) != 1)
        return;
    SIB_ASSERT(!m->mapped || !m->owned);
    if (m->mapped)
        munmap(m->mapped, m->bytes.size);
    mem_free(m->owned);
    mem_free(m);
}
