#include "folder.h"
#include "fuzz.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_HEADER  (64 << 10)
#define MAX_BYTES   (UINT64_C(64) << 20)
#define MAX_WEIGHTS 512

static int remove_one(const char *name, const struct stat *s, int kind, struct FTW *at)
{
    (void)s;
    (void)kind;
    (void)at;
    return remove(name);
}

void fuzz_folder_clear(void)
{
    nftw(fuzz_folder(), remove_one, 8, FTW_DEPTH | FTW_PHYS);
    if (mkdir(fuzz_folder(), 0700) != 0)
        fuzz_fail("no temporary folder");
}

static void remove_folder(void)
{
    nftw(fuzz_folder(), remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *fuzz_folder(void)
{
    static char path[40];
    if (!path[0]) {
        snprintf(path, sizeof path, "%s/sibyl_fuzz_XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
        if (!mkdtemp(path))
            fuzz_fail("no temporary folder");
        atexit(remove_folder);
    }
    return path;
}

typedef struct header {
    char text[MAX_HEADER];
    size_t n;
    uint64_t bytes; /* of elements */
    size_t weights;
} header;

static unsigned width(const char *dtype)
{
    static const struct {
        const char *name;
        unsigned bytes;
    } rows[] = {{"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F64", 8}, {"I64", 8},
                {"I32", 4}, {"U8", 1},  {"I8", 1},   {"BOOL", 1}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, dtype))
            return rows[i].bytes;
    return 4;
}

/* Adds a weight; a line that is none, or is too large, is left out. */
static void add_weight(header *h, const char *line)
{
    char name[128], dtype[8], dims[128] = "";
    int at = 0;
    uint64_t bytes, dim;
    size_t used = 0;
    if (sscanf(line, "%127[A-Za-z0-9._] %7[A-Z0-9]%n", name, dtype, &at) != 2 || h->weights >= MAX_WEIGHTS ||
        h->n + 400 > MAX_HEADER)
        return;
    bytes = width(dtype);
    for (const char *rest = line + at; sscanf(rest, "%9lu%n", &dim, &at) == 1 && used < 100; rest += at) {
        bytes *= dim;
        if (bytes > MAX_BYTES)
            return;
        used += (size_t)snprintf(dims + used, sizeof dims - used, "%s%lu", used ? "," : "", dim);
    }
    if (h->bytes + bytes > MAX_BYTES)
        return;
    h->n += (size_t)snprintf(h->text + h->n, MAX_HEADER - h->n,
                             "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%lu,%lu]}",
                             h->weights++ ? "," : "{", name, dtype, dims, h->bytes, h->bytes + bytes);
    h->bytes += bytes;
}

static void read_weights(header *h, const uint8_t *data, size_t n)
{
    char line[300];
    h->n = h->weights = 0;
    h->bytes = 0;
    for (size_t at = 0, end; at < n; at = end + 1) {
        const uint8_t *stop = memchr(data + at, '\n', n - at);
        end = stop ? (size_t)(stop - data) : n;
        size_t length = end - at < sizeof line - 1 ? end - at : sizeof line - 1;
        memcpy(line, data + at, length);
        line[length] = '\0';
        add_weight(h, line);
    }
    h->n += (size_t)snprintf(h->text + h->n, MAX_HEADER - h->n, "%s}", h->weights ? "" : "{");
}

/* Writes a file of n bytes, and `zeros` more that it does not hold. */
static void save(const char *path, const void *head, size_t n_head, const void *data, size_t n,
                 uint64_t zeros)
{
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || write(file, head, n_head) != (ssize_t)n_head || write(file, data, n) != (ssize_t)n ||
        ftruncate(file, (off_t)(n_head + n + zeros)) != 0)
        fuzz_fail("%s cannot be written", path);
    close(file);
}

static int ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

void fuzz_folder_file(const char *name, const void *data, size_t n)
{
    static header h;
    char path[200];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    if (!ends_with(name, ".safetensors")) {
        save(path, "", 0, data, n, 0);
        return;
    }
    read_weights(&h, data, n);
    const uint64_t size = h.n;
    save(path, &size, sizeof size, h.text, h.n, h.bytes);
}
