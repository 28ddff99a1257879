/* A folder in Hugging Face's layout: config.json, a line of three dashes, and a line `NAME DTYPE DIM...` for each weight
   of its safetensors, whose elements are 0. Read by whatever recipe it has. */
#include "fuzz.h"

#include <fcntl.h>
#include <sibyl/import.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_HEADER  (64 << 10)
#define MAX_BYTES   (UINT64_C(64) << 20)
#define MAX_WEIGHTS 512

/* A folder, in memory where the system has such, removed when the process ends. */
static const char *folder(void)
{
    static char path[40];
    if (!path[0]) {
        snprintf(path, sizeof path, "%s/sibyl_fuzz_XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
        if (!mkdtemp(path))
            fuzz_fail("no temporary folder");
    }
    return path;
}

static char *in_folder(const char *name)
{
    static char path[2][100];
    static int next;
    next = !next;
    snprintf(path[next], sizeof path[next], "%s/%s", folder(), name);
    return path[next];
}

static void remove_folder(void)
{
    unlink(in_folder("config.json"));
    unlink(in_folder("model.safetensors"));
    rmdir(folder());
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

void fuzz_import(const uint8_t *data, size_t n)
{
    static header h;
    static int begun;
    sib_error err = SIB_ERROR_INIT;
    sib_import_report *report = NULL;
    size_t n_config, n_weights;
    const uint8_t *weights;
    uint64_t hash = fuzz_hash(data, n);
    if (!begun++)
        atexit(remove_folder);
    fuzz_cut(data, n, "---", &n_config, &weights, &n_weights);
    read_weights(&h, weights, n_weights);
    const uint64_t size = h.n;
    save(in_folder("config.json"), "", 0, data, n_config, 0);
    save(in_folder("model.safetensors"), &size, sizeof size, h.text, h.n, h.bytes);
    sib_cancel *cancel = fuzz_cancel_begin();
    const char *path = folder();
    const sib_import_options options = {.cancel = cancel,
                                        .dtype = hash % 3 == 0   ? SIB_F16
                                                 : hash % 3 == 1 ? SIB_I8
                                                                 : SIB_F32,
                                        .opset = hash % 5 == 0 ? 21 : 0,
                                        .check = hash % 16 == 0};
    fuzz_code(sib_import(&path, 1, NULL, &options, &report, &err), &err);
    fuzz_cancel_end(&cancel);
    sib_import_report_free(&report);
}
