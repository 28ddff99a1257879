/* Fuzz targets: functions of any bytes that must end soon, with a result or an error, stay within their
   memory and give all of it back. Each is a row of targets.def; engine.c hands it to a fuzzing engine,
   replay.c runs it on files. docs/fuzzing.md says how they are run. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <sibyl/base.h>

#include <stddef.h>
#include <stdint.h>

typedef void (*fuzz_function)(const uint8_t *data, size_t n);

/* Changes the n bytes of data, which has room for `room`, in a way that suits the format; returns the new number. other
   (n_other): an input to take parts of, NULL for none. */
typedef size_t (*fuzz_mutator)(uint8_t *data, size_t n, size_t room, const uint8_t *other, size_t n_other,
                               unsigned seed);

typedef struct fuzz_target {
    const char *name;
    fuzz_function run;
    size_t max_bytes; /* longer inputs are left out */
} fuzz_target;

#define FUZZ_TARGET(name, function, mutator, max_bytes) void function(const uint8_t *data, size_t n);
#include "targets.def"
#undef FUZZ_TARGET

/* Runs a target once, on a copy of exactly n bytes. Aborts, with a line to stderr, where memory is held after it that was
   not before. */
void fuzz_one(const fuzz_target *target, const uint8_t *data, size_t n);

/* Aborts where `code` is a failure that *err has not, or has without a sentence. */
void fuzz_code(sib_code code, const sib_error *err);
/* Aborts with a sentence. */
_Noreturn void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A cancel that is set once the calling process has computed for FUZZ_CANCEL_MS; one at a time. */
#define FUZZ_CANCEL_MS 250
sib_cancel *fuzz_cancel_begin(void);
void fuzz_cancel_end(sib_cancel **cancel);

/* The bytes as a file without a name in any folder: *path is valid until fuzz_file_end. */
typedef struct fuzz_file {
    int descriptor;
    char path[40];
} fuzz_file;
fuzz_file fuzz_file_begin(const void *data, size_t n);
/* More bytes at its end. */
void fuzz_file_add(const fuzz_file *f, const void *data, size_t n);
void fuzz_file_end(fuzz_file *f);

/* A number that depends on all of the bytes, for choices that the bytes do not make. */
uint64_t fuzz_hash(const uint8_t *data, size_t n);

/* Cuts the bytes behind the first line that is `line` alone; *n_first and *second (*n_second) are the parts. False where
   there is no such line: the second part is then empty. */
int fuzz_cut(const uint8_t *data, size_t n, const char *line, size_t *n_first, const uint8_t **second,
             size_t *n_second);

#endif
