#include "features/recording/sample_store.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "base/size.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void store_begin(sample_store *s, const char *beside, size_t limit)
{
    *s = (sample_store){.beside = beside, .limit = limit, .fd = -1};
}

void store_free(sample_store *s)
{
    mem_free(s->held);
    if (s->mapped)
        munmap(s->mapped, s->n_filed * sizeof(float));
    if (s->fd >= 0)
        close(s->fd);
    store_begin(s, NULL, 0);
}

/* Moves what is held to the end of the file. */
static sib_code file_held(sample_store *s, sib_error *err)
{
    size_t bytes;
    sib_code code = s->fd < 0 ? outfile_unnamed(s->beside, &s->fd, err) : SIB_OK;
    if (code == SIB_OK && !size_mul(s->n_filed + s->n_held, sizeof(float), &bytes))
        code = err_set(err, SIB_ERR_SIZE, "%zu samples do not fit in the address space", s->n_filed);
    if (code == SIB_OK)
        code = outfile_write_at(s->fd, s->held, s->n_held * sizeof(float),
                                (uint64_t)s->n_filed * sizeof(float), s->beside, err);
    if (code == SIB_OK) {
        s->n_filed += s->n_held;
        s->n_held = 0;
    }
    return code;
}

/* The memory is taken at once, since growing would copy it: what is not used costs addresses only. */
static sib_code hold(sample_store *s, sib_error *err)
{
    if (!s->held && !(s->held = mem_alloc(s->limit, sizeof *s->held)))
        return err_memory(err, s->limit * sizeof *s->held, "samples");
    return SIB_OK;
}

sib_code store_room(sample_store *s, size_t n, float **room, sib_error *err)
{
    sib_code code = SIB_OK;
    if (s->n_held + n > s->limit)
        code = file_held(s, err);
    if (code == SIB_OK)
        code = hold(s, err);
    *room = code == SIB_OK ? s->held + s->n_held : NULL;
    return code;
}

void store_add(sample_store *s, size_t n)
{
    s->n_held += n;
}

static void scale(float *x, size_t n, double factor)
{
    for (size_t i = 0; factor != 1 && i < n; i++)
        x[i] = (float)(x[i] * factor);
}

/* Scales the samples of the file, part by part through the memory of those held. */
static sib_code scale_file(const sample_store *s, double factor, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t at = 0, n; code == SIB_OK && factor != 1 && at < s->n_filed; at += n) {
        n = size_min(s->limit, s->n_filed - at);
        const uint64_t byte = (uint64_t)at * sizeof(float);
        code = outfile_read_at(s->fd, s->held, n * sizeof(float), byte, s->beside, err);
        scale(s->held, n, factor);
        if (code == SIB_OK)
            code = outfile_write_at(s->fd, s->held, n * sizeof(float), byte, s->beside, err);
    }
    return code;
}

sib_code store_finish(sample_store *s, double factor, const float **samples, size_t *n, sib_error *err)
{
    if (s->fd < 0) {
        scale(s->held, s->n_held, factor);
        *samples = s->held;
        *n = s->n_held;
        return SIB_OK;
    }
    sib_code code = file_held(s, err);
    if (code == SIB_OK)
        code = scale_file(s, factor, err);
    if (code != SIB_OK)
        return code;
    mem_free(s->held);
    s->held = NULL;
    s->mapped = mmap(NULL, s->n_filed * sizeof(float), PROT_READ, MAP_SHARED, s->fd, 0);
    if (s->mapped == MAP_FAILED) {
        s->mapped = NULL;
        return err_set(err, SIB_ERR_MEMORY, "%s: samples cannot be mapped: %s", s->beside, strerror(errno));
    }
    *samples = s->mapped;
    *n = s->n_filed;
    return SIB_OK;
}

void store_release(const sample_store *s, size_t begin, size_t end)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE) / sizeof(float);
    begin = begin / page * page;
    end = size_min(end, s->n_filed) / page * page;
    if (s->mapped && begin < end)
        madvise(s->mapped + begin, (end - begin) * sizeof(float), MADV_DONTNEED);
}
