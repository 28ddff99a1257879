#include "aside.h"

#include "files.h"
#include "messages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The current one, which a command that ends by exit() also removes. */
static cli_aside *begun;

static void end_begun(void)
{
    if (begun)
        cli_aside_end(begun);
}

bool cli_aside_lock(int fd, const char *path, bool unknown)
{
    struct stat opened, named;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno != EWOULDBLOCK && unknown;
    return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

int cli_aside_open_left(const char *path)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || cli_aside_lock(fd, path, false))
        return fd;
    close(fd);
    return -1;
}

/* The next file of the folder aside, or NULL. */
static const char *next(DIR *files)
{
    struct dirent *e;
    do
        e = readdir(files);
    while (e && (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")));
    return e ? e->d_name : NULL;
}

/* Removes the files of the folder, and the folder. */
static void remove_folder(DIR *files, const char *path)
{
    rewinddir(files);
    for (const char *name = next(files); name; name = next(files))
        unlinkat(dirfd(files), name, 0);
    rmdir(path);
}

static void remove_left(const char *path)
{
    const int left = cli_aside_open_left(path);
    DIR *files = left < 0 ? NULL : fdopendir(left);
    if (files) {
        remove_folder(files, path);
        closedir(files);
    } else if (left >= 0)
        close(left);
}

/* Makes the temporary folder. Returns false, with errno, on failure. */
static bool make_folder(cli_aside *a, const char *name)
{
    for (int i = 0; i < CLI_ASIDE_TRIES; i++) {
        a->aside = cli_format("%s/.%s.%d.part", a->folder, name, i);
        remove_left(a->aside);
        const bool made = mkdir(a->aside, 0777) == 0;
        if (!made && errno != EEXIST)
            return false;
        a->files = made ? opendir(a->aside) : NULL;
        if (a->files && cli_aside_lock(dirfd(a->files), a->aside, true))
            return true;
        if (made && !a->files) {
            const int cause = errno;
            rmdir(a->aside);
            errno = cause;
            return false;
        }
        if (a->files)
            closedir(a->files);
        a->files = NULL;
        free(a->aside);
        a->aside = NULL;
    }
    return false;
}

bool cli_aside_begin(cli_aside *a, const char *out)
{
    const char *slash = strrchr(out, '/'), *name = slash ? slash + 1 : out;
    *a = (cli_aside){.folder = file_folder(out), .to = -1};
    a->to = open(a->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->to >= 0 && atexit(end_begun) == 0 && make_folder(a, name)) {
        begun = a;
        a->path = cli_format("%s/%s", a->aside, name);
        return true;
    }
    cli_fail("%s: cannot be written: %s", out, strerror(errno));
    return false;
}

bool cli_aside_commit(cli_aside *a)
{
    rewinddir(a->files);
    for (const char *name = next(a->files); name; name = next(a->files))
        if (renameat(dirfd(a->files), name, a->to, name) != 0)
            return false;
    return true;
}

void cli_aside_clean(const cli_aside *a, char *text)
{
    const size_t keep = strcmp(a->folder, ".") ? strlen(a->folder) + 1 : 0, n = strlen(a->aside) + 1;
    for (char *at = strstr(text, a->aside); at && strlen(at) >= n; at = strstr(at, a->aside))
        memmove(at + keep, at + n, strlen(at + n) + 1);
}

void cli_aside_end(cli_aside *a)
{
    if (a->files) {
        remove_folder(a->files, a->aside);
        closedir(a->files);
    }
    if (a->to >= 0)
        close(a->to);
    free(a->folder);
    free(a->aside);
    free(a->path);
    *a = (cli_aside){.to = -1};
    begun = NULL;
}
