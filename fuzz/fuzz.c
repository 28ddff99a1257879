#include "fuzz.h"

#include <sibyl/timing.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What the library may hold in total. */
#define MEMORY_LIMIT (UINT64_C(512) << 20)

_Noreturn void fuzz_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("fuzz: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

void fuzz_code(sib_code code, const sib_error *err)
{
    if (code != SIB_OK && (err->code != code || !err->message[0]))
        fuzz_fail("code %d without a sentence", (int)code);
}

static uint64_t held(void)
{
    sib_alloc_counters c;
    sib_alloc_counters_get(&c);
    return c.bytes_current;
}

static void run_exact(const fuzz_target *target, const uint8_t *data, size_t n)
{
    uint8_t *exact = malloc(n ? n : 1); /* a read past the end is detected */
    if (!exact)
        fuzz_fail("no memory for the input");
    memcpy(exact, data, n);
    target->run(exact, n);
    free(exact);
}

/* Models that targets keep, and tables that are filled once, stay behind the first run of an input; a leak grows with each. */
void fuzz_one(const fuzz_target *target, const uint8_t *data, size_t n)
{
    static int begun;
    if (!begun++)
        sib_memory_limit_set(MEMORY_LIMIT);
    if (n > target->max_bytes)
        return;
    uint64_t before = held();
    for (int times = 0; times < 3; times++) {
        run_exact(target, data, n);
        uint64_t after = held();
        if (after == before)
            return;
        before = after;
    }
    fuzz_fail("%s holds more memory behind each run", target->name);
}

/* ---- Inputs ---------------------------------------------------------------------------------------------- */

void fuzz_file_add(const fuzz_file *f, const void *data, size_t n)
{
    if (f->descriptor < 0 || write(f->descriptor, data, n) != (ssize_t)n)
        fuzz_fail("no file in memory");
}

fuzz_file fuzz_file_begin(const void *data, size_t n)
{
    fuzz_file f = {.descriptor = memfd_create("fuzz", MFD_CLOEXEC)};
    fuzz_file_add(&f, data, n);
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.descriptor);
    return f;
}

void fuzz_file_end(fuzz_file *f)
{
    close(f->descriptor);
}

uint64_t fuzz_hash(const uint8_t *data, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i++)
        h = (h ^ data[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

int fuzz_cut(const uint8_t *data, size_t n, const char *line, size_t *n_first, const uint8_t **second,
             size_t *n_second)
{
    size_t length = strlen(line);
    for (size_t at = 0; at + length < n; at++) {
        if ((at == 0 || data[at - 1] == '\n') && !memcmp(data + at, line, length) &&
            data[at + length] == '\n') {
            *n_first = at;
            *second = data + at + length + 1;
            *n_second = n - at - length - 1;
            return 1;
        }
    }
    *n_first = n;
    *second = data + n;
    *n_second = 0;
    return 0;
}
