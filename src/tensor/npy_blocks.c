/* Arrays written block by block, for those that exceed memory. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/npy.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"

#include <errno.h>
#include <sibyl/npy_file.h>
#include <string.h>
#include <unistd.h>

/* Bytes copied at once from an unnamed file to a device or pipe. */
#define COPY_BYTES ((size_t)1 << 20)

struct sib_npy_file {
    outfile file;
    int fd;     /* of the file, or of an unnamed one where blocks cannot be placed in the output: a pipe */
    bool aside; /* fd is unnamed, to be copied at the end */
    sib_dtype dtype;
    size_t item, rank;
    int64_t dims[SIB_MAX_RANK];
    size_t header_bytes, data_bytes;
    char header[NPY_HEADER_MAX];
};

sib_code sib_npy_create(const char *path, sib_dtype dtype, size_t rank, const int64_t *dims,
                        sib_npy_file **out, sib_error *err)
{
    uint64_t count;
    *out = NULL;
    if (dtype == SIB_STRING || dtype_is_packed(dtype) || sib_dtype_bits(dtype) == 0)
        return err_set(err, SIB_ERR_UNSUPPORTED, "%s: arrays of %s are not written in blocks", path,
                       sib_dtype_name(dtype));
    sib_code code = shape_count(rank, dims, &count, err);
    if (code != SIB_OK)
        return code;
    sib_npy_file *f = mem_calloc(1, sizeof *f);
    if (!f)
        return err_memory(err, sizeof *f, "an array in blocks");
    f->fd = -1;
    f->dtype = dtype;
    f->item = sib_dtype_bits(dtype) / 8;
    f->rank = rank;
    memcpy(f->dims, dims, rank * sizeof *dims);
    f->header_bytes = npy_format(dtype, 0, rank, dims, f->header);
    if (!dtype_bytes(dtype, count, &f->data_bytes) || f->data_bytes > INT64_MAX - NPY_HEADER_MAX)
        code = err_set(err, SIB_ERR_SIZE, "%s: %llu elements are more than a file holds", path,
                       (unsigned long long)count);
    if (code == SIB_OK)
        code = outfile_begin(&f->file, path, err);
    if (code != SIB_OK) {
        mem_free(f);
        return code;
    }
    *out = f;
    return SIB_OK;
}

/* Opens fd with the header in it. */
static sib_code place(sib_npy_file *f, sib_error *err)
{
    if (f->fd >= 0)
        return SIB_OK;
    f->aside = outfile_is_special(f->file.path);
    sib_code code = f->aside ? outfile_unnamed(f->file.path, &f->fd, err) : SIB_OK;
    if (!f->aside)
        f->fd = fileno(f->file.stream);
    if (code == SIB_OK)
        code = outfile_write_at(f->fd, f->header, f->header_bytes, 0, f->file.path, err);
    /* elements that no block brings are zero */
    if (code == SIB_OK && ftruncate(f->fd, (off_t)(f->header_bytes + f->data_bytes)) != 0)
        code = err_set(err, SIB_ERR_IO, "%s: cannot be written: %s", f->file.path, strerror(errno));
    return code;
}

static sib_code check_block(const sib_npy_file *f, const sib_tensor *block, const int64_t *starts,
                            sib_error *err)
{
    bool fits = block->dtype == f->dtype && block->rank == f->rank;
    for (size_t i = 0; fits && i < f->rank; i++)
        fits = starts[i] >= 0 && starts[i] <= f->dims[i] - block->dims[i];
    return fits ? SIB_OK
                : err_set(err, SIB_ERR_ARGUMENT, "%s: a block has another type or rank, or exceeds the array",
                          f->file.path);
}

/* Writes data, a dense block: run by run, a run being what is consecutive in the block and in the array. */
static sib_code put_runs(sib_npy_file *f, const int64_t *dims, const int64_t *starts, const char *data,
                         sib_error *err)
{
    size_t outer = f->rank, run = 1;
    while (outer > 0) {
        run *= (size_t)dims[--outer];
        if (dims[outer] != f->dims[outer])
            break;
    }
    int64_t index[SIB_MAX_RANK] = {0};
    sib_code code = SIB_OK;
    for (bool more = true; more && code == SIB_OK;) {
        uint64_t at = 0;
        for (size_t i = 0; i < f->rank; i++)
            at = at * (uint64_t)f->dims[i] + (uint64_t)(starts[i] + index[i]);
        code =
            outfile_write_at(f->fd, data, run * f->item, f->header_bytes + at * f->item, f->file.path, err);
        data += run * f->item;
        more = false;
        for (size_t i = outer; i-- > 0 && !more;) {
            more = ++index[i] < dims[i];
            if (!more)
                index[i] = 0;
        }
    }
    return code;
}

sib_code sib_npy_put(sib_npy_file *f, const sib_tensor *block, const int64_t *starts, sib_error *err)
{
    npy_image image;
    sib_code code = check_block(f, block, starts, err);
    if (code == SIB_OK)
        code = place(f, err);
    if (code != SIB_OK || block->count == 0)
        return code;
    code = npy_image_make(block, f->file.path, &image, err);
    if (code == SIB_OK)
        code = put_runs(f, block->dims, starts, image.data, err);
    npy_image_free(&image);
    return code;
}

static sib_code copy_to_stream(sib_npy_file *f, sib_error *err)
{
    const uint64_t total = f->header_bytes + f->data_bytes;
    char *buffer = mem_alloc(COPY_BYTES, 1);
    sib_code code = buffer ? SIB_OK : err_memory(err, COPY_BYTES, "an array's bytes");
    for (uint64_t at = 0; code == SIB_OK && at < total; at += COPY_BYTES) {
        const size_t n = total - at < COPY_BYTES ? (size_t)(total - at) : COPY_BYTES;
        code = outfile_read_at(f->fd, buffer, n, at, f->file.path, err);
        if (code == SIB_OK)
            fwrite(buffer, 1, n, f->file.stream); /* outfile_commit reports a failure */
    }
    mem_free(buffer);
    return code;
}

sib_code sib_npy_finish(sib_npy_file **file, sib_error *err)
{
    sib_npy_file *f = *file;
    sib_code code = place(f, err);
    if (code == SIB_OK && f->aside)
        code = copy_to_stream(f, err);
    if (code == SIB_OK)
        code = outfile_commit(&f->file, err);
    sib_npy_discard(file);
    return code;
}

void sib_npy_discard(sib_npy_file **file)
{
    if (!file || !*file)
        return;
    outfile_abort(&(*file)->file);
    if ((*file)->aside)
        close((*file)->fd);
    mem_free(*file);
    *file = NULL;
}
