/* What the cache takes on the disk: its folder, its limit, and which models go where it is full. */
#include "import/cache.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/outfile.h"
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_MB  20000
#define NAME_HEX  (SIB_SHA256_TEXT - 1) /* a model's folder has a hash as its name */
#define LEFT_OVER ((time_t)24 * 60 * 60)

sib_code cache_path(const char *name, char **out, sib_error *err)
{
    const char *set = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *out = NULL;
    if (!(set && *set) && !(home && *home))
        return err_set(err, SIB_ERR_IO, "there is no folder for caches: set XDG_CACHE_HOME or HOME");
    char *base = set && *set ? mem_strdup(set) : path_join(home, ".cache");
    *out = base ? path_join(base, name) : NULL;
    mem_free(base);
    return *out ? SIB_OK : err_memory(err, strlen(name), "a path");
}

sib_code cache_limit(uint64_t *out, sib_error *err)
{
    const char *set = getenv("SIBYL_CACHE_MB");
    char *end = NULL;
    errno = 0;
    unsigned long long mb = set && *set ? strtoull(set, &end, 10) : LIMIT_MB;
    if (end && (*end || errno || *set < '0' || *set > '9' || mb > UINT64_MAX / 1000000))
        return err_set(err, SIB_ERR_ARGUMENT, "SIBYL_CACHE_MB is '%.40s', expected a number of megabytes",
                       set);
    *out = (uint64_t)mb * 1000000;
    return SIB_OK;
}

void cache_remove(const char *folder)
{
    DIR *all = opendir(folder);
    const struct dirent *e;
    while (all && (e = readdir(all)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(all), e->d_name, 0);
    if (all)
        closedir(all);
    rmdir(folder);
}

typedef struct kept_model {
    char *path;
    uint64_t bytes;
    struct timespec used;
} kept_model;

typedef struct kept_models {
    kept_model *items; /* (n) */
    size_t n, capacity;
    uint64_t bytes;
} kept_models;

static uint64_t bytes_in(const char *folder)
{
    uint64_t sum = 0;
    struct stat st;
    DIR *all = opendir(folder);
    const struct dirent *e;
    while (all && (e = readdir(all)))
        if (!fstatat(dirfd(all), e->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    if (all)
        closedir(all);
    return sum;
}

/* True for the folder of an import that was ended. age: seconds since it was changed, by which it is judged where
   file systems have no locks. */
static bool is_left(const char *path, time_t age)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const aside_state state = fd < 0 ? ASIDE_UNKNOWN : aside_lock(fd, path);
    if (fd >= 0)
        close(fd); /* nobody locks it again: it has the name of its import alone */
    return state == ASIDE_OURS || (state == ASIDE_UNKNOWN && age > LEFT_OVER);
}

/* Looks at one entry of the folder: a model is listed; what an ended import left is removed. */
static void look_at(kept_models *m, const char *folder, const char *name, time_t now)
{
    struct stat st;
    char *path = path_join(folder, name);
    if (!path || lstat(path, &st)) {
        mem_free(path);
        return;
    }
    const bool hash = strlen(name) == NAME_HEX && strspn(name, "0123456789abcdef") == NAME_HEX;
    if (S_ISDIR(st.st_mode) && hash &&
        ARRAY_RESERVE(m->items, m->capacity, m->n + 1, "a list of models", NULL) == SIB_OK) {
        const kept_model found = {path, bytes_in(path), st.st_mtim};
        m->items[m->n++] = found;
        m->bytes += found.bytes;
        return;
    }
    if (S_ISDIR(st.st_mode) && !strncmp(name, "making-", 7) && is_left(path, now - st.st_mtime))
        cache_remove(path);
    mem_free(path);
}

/* Removes links to models that are gone. */
static void trim_links(const char *folder)
{
    struct stat st;
    DIR *all = opendir(folder);
    const struct dirent *e;
    while (all && (e = readdir(all)))
        if (!fstatat(dirfd(all), e->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISLNK(st.st_mode) &&
            faccessat(dirfd(all), e->d_name, F_OK, 0))
            unlinkat(dirfd(all), e->d_name, 0);
    if (all)
        closedir(all);
}

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const kept_model *)a)->used, *y = &((const kept_model *)b)->used;
    return x->tv_sec != y->tv_sec ? (x->tv_sec > y->tv_sec) - (x->tv_sec < y->tv_sec)
                                  : (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

void cache_trim(const char *folder, uint64_t limit, const char *kept)
{
    kept_models m = {0};
    DIR *all = opendir(folder);
    const struct dirent *e;
    const time_t now = time(NULL);
    while (all && (e = readdir(all)))
        look_at(&m, folder, e->d_name, now);
    if (all)
        closedir(all);
    if (m.n)
        qsort(m.items, m.n, sizeof *m.items, by_use);
    for (size_t i = 0; i < m.n; i++) {
        const char *name = strrchr(m.items[i].path, '/') + 1;
        if (m.bytes > limit && strcmp(name, kept) != 0) {
            cache_remove(m.items[i].path);
            m.bytes -= m.items[i].bytes;
        }
        mem_free(m.items[i].path);
    }
    mem_free(m.items);
    trim_links(folder);
}
