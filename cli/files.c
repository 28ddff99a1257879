#include "files.h"

#include "aside.h"
#include "messages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *file_stem(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    return cli_format("%.*s", dot && dot != name ? (int)(dot - name) : (int)strlen(name), name);
}

char *file_name(const char *path)
{
    size_t end = strlen(path), begin;
    while (end > 1 && path[end - 1] == '/')
        end--;
    for (begin = end; begin && path[begin - 1] != '/'; begin--)
        ;
    return cli_format("%.*s", (int)(end - begin), path + begin);
}

char *file_join(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    return cli_format("%s%s%s", folder, length > 0 && folder[length - 1] == '/' ? "" : "/", name);
}

bool file_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

uint64_t file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

char *file_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return cli_format(".");
    return cli_format("%.*s", slash == path ? 1 : (int)(slash - path), path);
}

bool file_folder_takes(const char *folder)
{
    struct stat st;
    if (stat(folder, &st) != 0)
        cli_fail("%s: the output folder cannot be used: %s", folder, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        cli_fail("%s: is not a folder, expected one for the output", folder);
    else if (access(folder, W_OK | X_OK) != 0)
        cli_fail("%s: the output folder cannot be written: %s", folder, strerror(errno));
    else
        return true;
    return false;
}

bool file_folder_ready(const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) {
        cli_fail("%s: the output folder cannot be created: %s", folder, strerror(errno));
        return false;
    }
    return file_folder_takes(folder);
}

bool file_is_special(const char *path)
{
    struct stat st;
    return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0 ||
           (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode));
}

/* A new file beside `path`, locked. *part: its name, released with free. -1, with errno, on failure. */
static int open_part(const char *path, char **part)
{
    for (int i = 0;; i++) {
        *part = cli_format("%s.%d.part", path, i);
        const int left = cli_aside_open_left(*part);
        if (left >= 0) {
            unlink(*part);
            close(left);
        }
        const int fd = open(*part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if ((fd < 0 && (errno != EEXIST || i == CLI_ASIDE_TRIES)) ||
            (fd >= 0 && cli_aside_lock(fd, *part, true)))
            return fd;
        if (fd >= 0)
            close(fd);
        free(*part);
    }
}

bool file_put(const char *path, const char *data, size_t size)
{
    char *part = NULL;
    const bool special = file_is_special(path);
    const int fd = special ? open(path, O_WRONLY | O_CLOEXEC) : open_part(path, &part);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
    int cause = f && fwrite(data, 1, size, f) == size ? 0 : errno;
    if (f && fclose(f) && !cause)
        cause = errno;
    if (!cause && part && rename(part, path))
        cause = errno;
    if (cause) {
        cli_fail("%s: %s", path, strerror(cause));
        if (part && fd >= 0)
            unlink(part);
    }
    free(part);
    return !cause;
}

char *file_read_stream(FILE *f, const char *name, size_t max, size_t *size)
{
    size_t room = 65536, n = 0, got = 1;
    char *text = cli_alloc(room, 1);
    for (; got > 0 && n <= max; n += got) {
        if (room - n < 2) {
            char *more = cli_alloc(2 * room, 1);
            memcpy(more, text, n);
            free(text);
            text = more;
            room *= 2;
        }
        got = fread(text + n, 1, room - n - 1, f);
    }
    if (ferror(f) || n > max) {
        if (n > max)
            cli_fail("%s: has more than %zu bytes", name, max);
        else
            cli_fail("%s: %s", name, strerror(errno));
        free(text);
        return NULL;
    }
    text[n] = 0;
    if (size)
        *size = n;
    return text;
}

char *file_read(const char *path, size_t max, size_t *size)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        cli_fail("%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = file_read_stream(f, path, max, size);
    fclose(f);
    return text;
}

bool file_same(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

bool file_is_stdout(const char *path)
{
    struct stat named, out;
    return stat(path, &named) == 0 && fstat(STDOUT_FILENO, &out) == 0 && named.st_dev == out.st_dev &&
           named.st_ino == out.st_ino && (!S_ISCHR(named.st_mode) || strncmp(path, "/dev/std", 8) == 0);
}
