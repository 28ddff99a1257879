#include "base/outfile.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Attempts at finding a free temporary name. */
#define OUTFILE_TRIES 1000

static void outfile_end(outfile *f)
{
    mem_free(f->path);
    mem_free(f->aside);
    memset(f, 0, sizeof *f);
}

/* A device or pipe has no folder to rename in, so it is written directly. So is everything below /dev and
   /proc, where "/dev/stdout" may lead to a plain file, and renaming would replace the system's link; but for /dev/shm,
   which is a folder of plain files. */
bool outfile_is_special(const char *path)
{
    struct stat st;
    if ((strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0) ||
        strncmp(path, "/proc/", 6) == 0)
        return true;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

aside_state aside_lock(int fd, const char *path)
{
    struct stat opened, named;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? ASIDE_LOST : ASIDE_UNKNOWN;
    if (fstat(fd, &opened) != 0 || lstat(path, &named) != 0)
        return ASIDE_LOST;
    return opened.st_dev == named.st_dev && opened.st_ino == named.st_ino ? ASIDE_OURS : ASIDE_LOST;
}

/* Removes what a process that was ended left under a temporary name. Returns false where there is no such
   file. */
static bool remove_left(const char *aside)
{
    const int fd = open(aside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno != ENOENT;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && aside_lock(fd, aside) == ASIDE_OURS)
        unlink(aside);
    close(fd);
    return true;
}

static int open_aside(outfile *f, size_t bytes, int access)
{
    for (int i = 0; i < OUTFILE_TRIES; i++) {
        snprintf(f->aside, bytes, "%s.%d.part", f->path, i);
        if (!remove_left(f->aside))
            break;
    }
    for (int i = 0; i < OUTFILE_TRIES; i++) {
        snprintf(f->aside, bytes, "%s.%d.part", f->path, i);
        int fd = open(f->aside, access | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            return fd;
        if (fd >= 0 && aside_lock(fd, f->aside) != ASIDE_LOST)
            return fd;
        if (fd >= 0)
            close(fd);
    }
    errno = EEXIST;
    return -1;
}

sib_code outfile_begin(outfile *f, const char *path, sib_error *err)
{
    memset(f, 0, sizeof *f);
    size_t bytes = strlen(path) + 64;
    f->path = mem_strdup(path);
    f->aside = mem_calloc(bytes, 1);
    if (!f->path || !f->aside) {
        outfile_end(f);
        return err_memory(err, bytes, "a file name");
    }
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        outfile_end(f);
        return err_set(err, SIB_ERR_IO, "%s: is a folder, expected a file name", path);
    }
    int fd;
    if (outfile_is_special(path)) {
        f->aside[0] = '\0';
        fd = open(path, O_WRONLY | O_CLOEXEC);
    } else {
        fd = open_aside(f, bytes, O_WRONLY);
    }
    if (fd < 0 || !(f->stream = fdopen(fd, "wb"))) {
        int cause = errno;
        if (fd >= 0 && f->aside[0])
            unlink(f->aside);
        if (fd >= 0)
            close(fd);
        outfile_end(f);
        return err_set(err, SIB_ERR_IO, "%s: cannot be written: %s", path, strerror(cause));
    }
    return SIB_OK;
}

/* A stream that failed earlier no longer has the cause. Writing one more byte, to a file that is lost
   anyway, fails for the same cause. */
static int cause_of_failure(FILE *stream)
{
    return write(fileno(stream), "", 1) < 0 ? errno : EIO;
}

sib_code outfile_commit(outfile *f, sib_error *err)
{
    SIB_ASSERT(f->stream && f->path && f->aside);
    bool special = f->aside[0] == '\0';
    bool failed = ferror(f->stream) != 0;
    int cause = failed ? cause_of_failure(f->stream) : 0;
    if (!failed && fflush(f->stream) != 0) {
        failed = true;
        cause = errno;
    }
    if (fclose(f->stream) != 0 && !failed) {
        failed = true;
        cause = errno;
    }
    if (!failed && !special && rename(f->aside, f->path) != 0) {
        failed = true;
        cause = errno;
    }
    if (failed) {
        err_set(err, SIB_ERR_IO, "%s: cannot be written: %s", f->path, strerror(cause));
        if (!special)
            unlink(f->aside);
    }
    outfile_end(f);
    return failed ? SIB_ERR_IO : SIB_OK;
}

void outfile_abort(outfile *f)
{
    if (!f->stream)
        return;
    fclose(f->stream);
    if (f->aside[0])
        unlink(f->aside);
    outfile_end(f);
}

/* ---- Unnamed files ------------------------------------------------------------------------------------ */

sib_code outfile_unnamed(const char *path, int *fd, sib_error *err)
{
    const char *temporary = getenv("TMPDIR");
    const char *folder = !outfile_is_special(path) ? "" : temporary && temporary[0] ? temporary : "/tmp";
    const size_t bytes = strlen(folder) + strlen(path) + 64;
    outfile f = {.path = mem_alloc(bytes, 1), .aside = mem_alloc(bytes, 1)};
    sib_code code = SIB_OK;
    *fd = -1;
    if (!f.path || !f.aside) {
        code = err_memory(err, bytes, "a file name");
    } else {
        snprintf(f.path, bytes, "%s%s", folder, folder[0] ? "/sibyl" : path);
        *fd = open_aside(&f, bytes, O_RDWR);
        if (*fd < 0)
            code = err_set(err, SIB_ERR_IO, "%s: cannot be written: %s", f.path, strerror(errno));
        else
            unlink(f.aside);
    }
    outfile_end(&f);
    return code;
}

sib_code outfile_write_at(int fd, const void *data, size_t n, uint64_t at, const char *path, sib_error *err)
{
    for (size_t done = 0; done < n;) {
        const ssize_t more = pwrite(fd, (const char *)data + done, n - done, (off_t)(at + done));
        if (more < 0 && errno != EINTR)
            return err_set(err, SIB_ERR_IO, "%s: cannot be written: %s", path, strerror(errno));
        done += more > 0 ? (size_t)more : 0;
    }
    return SIB_OK;
}

sib_code outfile_read_at(int fd, void *data, size_t n, uint64_t at, const char *path, sib_error *err)
{
    for (size_t done = 0; done < n;) {
        const ssize_t more = pread(fd, (char *)data + done, n - done, (off_t)(at + done));
        if (more == 0 || (more < 0 && errno != EINTR))
            return err_set(err, SIB_ERR_IO, "%s: what was written aside cannot be read: %s", path,
                           more ? strerror(errno) : "it ends early");
        done += more > 0 ? (size_t)more : 0;
    }
    return SIB_OK;
}
