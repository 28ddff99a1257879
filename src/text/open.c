/* Opening tokenizers: from a file, or from bytes. */
#include "text/vocab/tokenizer.h"

#include "base/alloc.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILE_BYTES (1u << 30)

/* Finds the kind that the options name, else the first that recognises the bytes. */
static sib_code find_kind(const text_source *source, const tokenizer_kind **out, sib_error *err)
{
    const char *wanted = source->options->kind;
    for (size_t i = 0; (*out = tokenizer_kind_at(i)); i++)
        if (wanted ? strcmp((*out)->name, wanted) == 0 : (*out)->recognises && (*out)->recognises(source))
            return SIB_OK;
    return wanted ? err_set(err, SIB_ERR_UNSUPPORTED, "%s: '%s' is not a known kind of tokenizer",
                            source->name, wanted)
                  : err_set(err, SIB_ERR_FORMAT, "%s: is not a tokenizer of a known kind", source->name);
}

static sib_code open_source(sib_tokenizer *t, const void *source, sib_error *err)
{
    return t->kind->open(t, source, err);
}

sib_code sib_tokenizer_open_bytes(const char *name, const void *data, size_t size,
                                  const sib_tokenizer_options *options, sib_tokenizer **out, sib_error *err)
{
    static const sib_tokenizer_options defaults = {0};
    text_source source = {name ? name : "tokenizer", {data ? data : "", size}, options ? options : &defaults};
    const tokenizer_kind *kind = NULL;
    *out = NULL;
    sib_code code = find_kind(&source, &kind, err);
    return code == SIB_OK
               ? tokenizer_create(kind, source.name, source.options->n_vocab, open_source, &source, out, err)
               : code;
}

static sib_code read_stream(FILE *f, const char *path, char **data, size_t *size, sib_error *err)
{
    struct stat st;
    if (fstat(fileno(f), &st) != 0)
        return err_set(err, SIB_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, SIB_ERR_IO, "%s: is %s, expected a file", path,
                       S_ISDIR(st.st_mode) ? "a folder" : "not a regular file");
    if ((uint64_t)st.st_size > MAX_FILE_BYTES)
        return err_set(err, SIB_ERR_SIZE, "%s: has %lld bytes, expected at most %u", path,
                       (long long)st.st_size, MAX_FILE_BYTES);
    *data = mem_alloc((size_t)st.st_size, 1);
    if (!*data)
        return err_memory(err, (size_t)st.st_size, "a tokenizer's file");
    *size = fread(*data, 1, (size_t)st.st_size, f);
    return ferror(f) ? err_set(err, SIB_ERR_IO, "%s: %s", path, strerror(errno)) : SIB_OK;
}

sib_code sib_tokenizer_open(const char *path, const sib_tokenizer_options *options, sib_tokenizer **out,
                            sib_error *err)
{
    *out = NULL;
    if (!path)
        return options && options->kind
                   ? sib_tokenizer_open_bytes(options->kind, NULL, 0, options, out, err)
                   : err_set(err, SIB_ERR_ARGUMENT, "expected a file or a kind of tokenizer");
    /* Without O_NONBLOCK, opening a pipe would wait for a writer. */
    char *data = NULL;
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "rb");
    if (!f) {
        err_set(err, SIB_ERR_IO, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return SIB_ERR_IO;
    }
    sib_code code = read_stream(f, path, &data, &size, err);
    fclose(f);
    if (code == SIB_OK)
        code = sib_tokenizer_open_bytes(path, data, size, options, out, err);
    mem_free(data);
    return code;
}
