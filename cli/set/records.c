#include "set/records.h"

#include "messages.h"
#include "set/items.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_RECORD ((size_t)16 << 20)

static bool fails(const char *path)
{
    return !cli_fail("%s: %s", path, strerror(errno));
}

/* ---- Lines ---- */

static bool number_of(const json_t *record, uint64_t *n)
{
    const json_t *number = json_object_get(record, "n");
    *n = (uint64_t)json_integer_value(number);
    return json_is_integer(number) && json_integer_value(number) >= 0;
}

/* The next record of a file, NULL at its end. What a process that was killed left of a line is none. */
static json_t *read_record(FILE *f, char *line)
{
    size_t length;
    uint64_t n;
    bool ended;
    while (f && set_line(f, line, MAX_RECORD, &length, &ended)) {
        json_t *record = ended && length <= MAX_RECORD ? json_loadb(line, length, 0, NULL) : NULL;
        if (record && number_of(record, &n))
            return record;
        json_decref(record);
    }
    return NULL;
}

static bool write_record(FILE *f, const json_t *record)
{
    return json_dumpf(record, f, JSON_COMPACT | JSON_REAL_PRECISION(9)) == 0 && putc('\n', f) != EOF;
}

/* ---- Calls before ---- */

/* Waits for the lock of a file that is open, and goes with the process however it ends. */
static bool lock(FILE *f, const char *path)
{
    struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fileno(f), F_SETLK, &all) == 0)
        return true;
    if (errno == EACCES || errno == EAGAIN) {
        fprintf(stderr, "sibyl: %s: another process works on this shard: waiting until it ends\n", path);
        while (fcntl(fileno(f), F_SETLKW, &all) != 0)
            if (errno != EINTR)
                return fails(path);
        return true;
    }
    if (errno != ENOLCK && errno != ENOSYS && errno != EINVAL)
        return fails(path);
    fprintf(stderr,
            "sibyl: %s: this file system has no locks: see that no other process works on this shard\n",
            path);
    return true;
}

/* Opens and locks the part, also where it was renamed while this process waited. */
static bool open_part(set_records *r)
{
    struct stat opened, named;
    for (bool same = false; !same;) {
        const int fd = open(r->part, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        r->to = fd >= 0 ? fdopen(fd, "r+") : NULL;
        if (!r->to || !lock(r->to, r->part) || fstat(fd, &opened) != 0)
            return r->to ? false : fails(r->part);
        same = stat(r->part, &named) == 0 && named.st_ino == opened.st_ino && named.st_dev == opened.st_dev;
        if (!same)
            fclose(r->to);
    }
    return true;
}

/* Writes the lines of the part, then those of kept behind its last. */
static bool merge_into(set_records *r, FILE *merged, FILE *kept)
{
    uint64_t last = 0, n;
    bool any = false, done = true;
    for (json_t *one; done && (one = read_record(r->to, r->line)); json_decref(one), any = true) {
        number_of(one, &last);
        done = write_record(merged, one);
    }
    for (json_t *one; done && (one = read_record(kept, r->line)); json_decref(one))
        if (number_of(one, &n) && (!any || n > last))
            done = write_record(merged, one);
    return done;
}

/* Makes kept of all lines that there are, and empties the part. */
static bool merge(set_records *r)
{
    char *name = cli_format("%s.new", r->kept);
    FILE *kept = fopen(r->kept, "rb"), *merged = fopen(name, "wb");
    bool done = merged && merge_into(r, merged, kept);
    if (merged && fclose(merged))
        done = false;
    done = done && rename(name, r->kept) == 0 && fseek(r->to, 0, SEEK_SET) == 0 &&
           ftruncate(fileno(r->to), 0) == 0;
    if (!done)
        fails(r->kept);
    if (kept)
        fclose(kept);
    free(name);
    return done;
}

bool set_records_begin(set_records *r, const char *path)
{
    *r = (set_records){.path = cli_format("%s", path),
                       .part = cli_format("%s.part", path),
                       .kept = cli_format("%s.kept", path),
                       .line = cli_alloc(MAX_RECORD + 1, 1)};
    r->waiting = open_memstream(&r->text, &r->size);
    if (!r->waiting || !open_part(r))
        return false;
    if (rename(r->path, r->kept) != 0 && errno != ENOENT)
        return fails(r->path);
    if (!merge(r))
        return false;
    r->from = fopen(r->kept, "rb");
    return r->from || fails(r->kept);
}

void set_records_each(set_records *r, void (*see)(const json_t *record, void *context), void *context)
{
    for (json_t *one; (one = read_record(r->from, r->line)); json_decref(one))
        see(one, context);
    rewind(r->from);
}

json_t *set_record_of(set_records *r, uint64_t n)
{
    for (uint64_t at;;) {
        json_t *one = r->next ? r->next : read_record(r->from, r->line);
        r->next = NULL;
        if (one && number_of(one, &at) && at > n) {
            r->next = one;
            return NULL;
        }
        if (!one || at == n)
            return one;
        json_decref(one);
    }
}

/* ---- This call ---- */

void set_record_put(set_records *r, json_t *record)
{
    write_record(r->waiting, record);
    json_decref(record);
}

bool set_records_write(set_records *r)
{
    bool done = fflush(r->waiting) == 0 && !ferror(r->waiting) &&
                fwrite(r->text, 1, r->size, r->to) == r->size && fflush(r->to) == 0;
    rewind(r->waiting);
    return done || fails(r->part);
}

bool set_records_commit(set_records *r)
{
    if (!set_records_write(r) || rename(r->part, r->path) != 0)
        return fails(r->path);
    unlink(r->kept);
    return true;
}

void set_records_end(set_records *r)
{
    if (r->to)
        fclose(r->to);
    if (r->from)
        fclose(r->from);
    if (r->waiting)
        fclose(r->waiting);
    free(r->text);
    json_decref(r->next);
    free(r->path);
    free(r->part);
    free(r->kept);
    free(r->line);
    *r = (set_records){0};
}
