#include "base/choices.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/buffer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "sibyl tuning 1\n"

typedef struct choice {
    char key[CHOICES_KEY], name[CHOICES_NAME];
} choice;

typedef struct choice_list {
    choice *items; /* (n) */
    size_t n, capacity;
} choice_list;

struct choices {
    char *path; /* NULL: none */
    bool read_only;
    choice_list own; /* of the file */
};

/* Of the process, for its whole life; the lock guards every list. */
static choice_list remembered;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, measuring = PTHREAD_MUTEX_INITIALIZER;

/* The last one counts. */
static const choice *find(const choice_list *list, const char *key)
{
    for (size_t i = list->n; i-- > 0;)
        if (strcmp(list->items[i].key, key) == 0)
            return &list->items[i];
    return NULL;
}

static sib_code add(choice_list *list, sib_str key, sib_str name, sib_error *err)
{
    if (list->n == CHOICES_MAX)
        return SIB_OK;
    sib_code code = ARRAY_RESERVE(list->items, list->capacity, list->n + 1, "choices of kernels", err);
    if (code != SIB_OK)
        return code;
    choice *to = &list->items[list->n++];
    *to = (choice){.key = ""};
    memcpy(to->key, key.data, key.length);
    memcpy(to->name, name.data, name.length);
    return SIB_OK;
}

/* ---- The file ---------------------------------------------------------------------------------------- */

/* Reads a line without its end: a key and, behind its last blank, a name. */
static sib_code read_line(choices *c, const char *line, size_t n, size_t number, sib_error *err)
{
    size_t blank = n;
    for (size_t i = 0; i < n; i++) {
        if (line[i] < ' ' || line[i] > '~')
            return err_set(err, SIB_ERR_FORMAT, "%s: line %zu has a byte that no tuning file has", c->path,
                           number);
        blank = line[i] == ' ' ? i : blank;
    }
    if (blank == n || !blank || blank >= CHOICES_KEY || blank + 1 == n || n - blank - 1 >= CHOICES_NAME)
        return err_set(err, SIB_ERR_FORMAT, "%s: line %zu is not a key and the name of a kernel", c->path,
                       number);
    return add(&c->own, (sib_str){line, blank}, (sib_str){line + blank + 1, n - blank - 1}, err);
}

static sib_code read_text(choices *c, sib_str text, sib_error *err)
{
    const size_t head = sizeof HEAD - 1;
    size_t number = 1;
    sib_code code = SIB_OK;
    if (!text.length)
        return SIB_OK;
    if (text.length < head || memcmp(text.data, HEAD, head) != 0)
        return err_set(err, SIB_ERR_FORMAT, "%s is not a tuning file: its first line is not '%.*s'", c->path,
                       (int)head - 1, HEAD);
    for (size_t at = head, n; at < text.length && code == SIB_OK; at += n + 1) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.length - at);
        number++;
        if (!end)
            return err_set(err, SIB_ERR_FORMAT, "%s: line %zu is cut off; remove it", c->path, number);
        n = (size_t)(end - line);
        if (c->own.n == CHOICES_MAX)
            return err_set(err, SIB_ERR_SIZE, "%s has more than %d choices", c->path, CHOICES_MAX);
        if (n && *line != '#')
            code = read_line(c, line, n, number, err);
    }
    return code;
}

static sib_code failed(const choices *c, sib_error *err)
{
    return err_set(err, SIB_ERR_IO, "%s: %s", c->path, strerror(errno));
}

static sib_code read_file(choices *c, sib_error *err)
{
    struct stat status;
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno == ENOENT ? SIB_OK : failed(c, err);
    byte_buffer text = {.max = CHOICES_MAX_BYTES};
    sib_code code = SIB_OK;
    if (fstat(fd, &status))
        code = failed(c, err);
    else if (!S_ISREG(status.st_mode))
        code = err_set(err, SIB_ERR_IO, "%s is no regular file", c->path);
    else if (status.st_size > CHOICES_MAX_BYTES)
        code = err_set(err, SIB_ERR_SIZE, "%s is larger than the %d bytes of a tuning file", c->path,
                       CHOICES_MAX_BYTES);
    for (char piece[4096]; code == SIB_OK;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            code = failed(c, err);
        if (n <= 0)
            break;
        code = buf_add(&text, piece, (size_t)n, err);
    }
    close(fd);
    if (code == SIB_OK)
        code = read_text(c, buf_str(&text), err);
    buf_free(&text);
    return code;
}

/* Appends a line in one write, so that those of several processes do not mix. */
static sib_code append(choices *c, const char *key, const char *name, sib_error *err)
{
    struct stat status;
    char text[sizeof HEAD + CHOICES_KEY + CHOICES_NAME + 2];
    int fd = open(c->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return failed(c, err);
    bool known = !fstat(fd, &status);
    const char *head = known && !status.st_size ? HEAD : "";
    int n = snprintf(text, sizeof text, "%s%s %s\n", head, key, name);
    bool fits = known && status.st_size + n <= CHOICES_MAX_BYTES;
    ssize_t written = fits ? write(fd, text, (size_t)n) : 0;
    sib_code code = !known || written < 0 ? failed(c, err) : SIB_OK;
    if (fits && written >= 0 && written < n) {
        /* what is there is whole again, unless another process wrote since */
        bool whole = !ftruncate(fd, status.st_size);
        code = err_set(err, SIB_ERR_IO, "%s: no room for a line%s", c->path,
                       whole ? "" : ", the last is cut off");
    }
    if (close(fd) && code == SIB_OK)
        code = failed(c, err);
    return code;
}

/* ---- Calls ------------------------------------------------------------------------------------------- */

sib_code choices_open(const char *path, choices **out, sib_error *err)
{
    choices *c = mem_calloc(1, sizeof *c);
    size_t n = path ? strlen(path) + 1 : 0;
    sib_code code = SIB_OK;
    *out = NULL;
    if (c && path)
        c->path = mem_alloc(n, 1);
    if (!c || (path && !c->path)) {
        mem_free(c);
        return err_memory(err, sizeof *c + n, "choices of kernels");
    }
    if (path) {
        memcpy(c->path, path, n);
        code = read_file(c, err);
        c->read_only = access(path, F_OK) == 0 && access(path, W_OK) != 0;
    }
    *out = c;
    if (code != SIB_OK)
        choices_close(out);
    return code;
}

void choices_close(choices **cp)
{
    choices *c = *cp;
    if (c) {
        mem_free(c->own.items);
        mem_free(c->path);
    }
    mem_free(c);
    *cp = NULL;
}

void choices_begin(void)
{
    pthread_mutex_lock(&measuring);
}

void choices_end(void)
{
    pthread_mutex_unlock(&measuring);
}

bool choices_find(choices *c, const char *key, char name[CHOICES_NAME])
{
    pthread_mutex_lock(&lock);
    const choice *found = find(&c->own, key);
    if (!found)
        found = find(&remembered, key);
    if (found)
        memcpy(name, found->name, CHOICES_NAME);
    pthread_mutex_unlock(&lock);
    return found;
}

sib_code choices_add(choices *c, const char *key, const char *name, sib_error *err)
{
    sib_str k = {key, strlen(key)}, v = {name, strlen(name)};
    SIB_ASSERT(k.length && k.length < CHOICES_KEY && v.length && v.length < CHOICES_NAME);
    pthread_mutex_lock(&lock);
    const choice *own = find(&c->own, key);
    bool kept = !c->path || (own && strcmp(own->name, name) == 0);
    sib_code code = find(&remembered, key) ? SIB_OK : add(&remembered, k, v, err);
    if (code == SIB_OK && !kept)
        code = add(&c->own, k, v, err);
    if (code == SIB_OK && !kept && !c->read_only)
        code = append(c, key, name, err);
    pthread_mutex_unlock(&lock);
    return code;
}
