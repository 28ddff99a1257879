#include "tensor/npy.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "base/size.h"
#include "tensor/convert.h"
#include "tensor/dtype.h"
#include "tensor/shape.h"
#include "tensor/tensor.h"
#include "tensor/utf8.h"
#include "tensor/walk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Returns the unsigned type of the same width as a packed type: its numbers are the codes. */
static sib_dtype codes_of(sib_dtype packed)
{
    return sib_dtype_bits(packed) == 4 ? SIB_U4 : SIB_U2;
}

/* ---- Reading -------------------------------------------------------------------------------------- */

/* Reads exactly n bytes; `what` names them in messages. */
static sib_code read_exactly(npy_input *in, void *dst, size_t n, const char *what, sib_error *err)
{
    size_t got = 0;
    sib_code code = in->read(in, dst, n, &got, err);
    in->offset += got;
    if (code == SIB_OK && got < n)
        return err_set_at(err, SIB_ERR_FORMAT, in->offset, "%s: ends within %s, expected %zu bytes more",
                          in->name, what, n - got);
    return code;
}

static uint64_t bytes_left(const npy_input *in)
{
    return in->size == UINT64_MAX ? UINT64_MAX : in->size > in->offset ? in->size - in->offset : 0;
}

/* Reads magic, version and length of the text. */
static sib_code read_prefix(npy_input *in, size_t *text_bytes, sib_error *err)
{
    unsigned char prefix[NPY_PREFIX_MAX];
    sib_code code = read_exactly(in, prefix, NPY_MAGIC_BYTES + 4, "the header", err);
    if (code != SIB_OK)
        return code;
    unsigned major = prefix[NPY_MAGIC_BYTES], minor = prefix[NPY_MAGIC_BYTES + 1];
    if (memcmp(prefix, NPY_MAGIC, NPY_MAGIC_BYTES) != 0)
        return err_set_at(err, SIB_ERR_FORMAT, 0, "%s: is not a .npy file, expected \\x93NUMPY at its start",
                          in->name);
    if (major < 1 || major > 3 || minor != 0)
        return err_set_at(err, SIB_ERR_FORMAT, NPY_MAGIC_BYTES, "%s: is of format %u.%u, expected 1.0 to 3.0",
                          in->name, major, minor);
    size_t wide = major > 1 ? 2 : 0;
    const unsigned char *length = prefix + NPY_MAGIC_BYTES + 2;
    code = read_exactly(in, prefix + NPY_MAGIC_BYTES + 4, wide, "the header", err);
    if (code != SIB_OK)
        return code;
    *text_bytes = length[0] | (size_t)length[1] << 8;
    if (wide)
        *text_bytes |= (size_t)length[2] << 16 | (size_t)length[3] << 24;
    if (*text_bytes > NPY_TEXT_LIMIT || *text_bytes > bytes_left(in))
        return err_set_at(err, SIB_ERR_FORMAT, NPY_MAGIC_BYTES + 2,
                          "%s: header claims %zu bytes, more than %s", in->name, *text_bytes,
                          *text_bytes > NPY_TEXT_LIMIT ? "any has" : "there are");
    return SIB_OK;
}

static sib_code read_header(npy_input *in, npy_header *out, sib_error *err)
{
    size_t n = 0;
    sib_code code = read_prefix(in, &n, err);
    if (code != SIB_OK)
        return code;
    uint64_t offset = in->offset;
    char *text = mem_alloc(n, 1);
    if (!text)
        return err_memory(err, n, "a .npy header");
    code = read_exactly(in, text, n, "the header", err);
    if (code == SIB_OK)
        code = npy_parse(text, n, offset, in->name, out, err);
    mem_free(text);
    return code;
}

/* Computes elements and bytes of the data, which must be present. */
static sib_code measure(const npy_input *in, const npy_header *h, uint64_t *count, size_t *bytes,
                        sib_error *err)
{
    char text[SHAPE_TEXT];
    shape_text(h->rank, h->dims, text);
    if (shape_count(h->rank, h->dims, count, NULL) != SIB_OK || *count > PTRDIFF_MAX ||
        !size_mul((size_t)*count, h->item, bytes) || *bytes > PTRDIFF_MAX)
        return err_set_at(err, SIB_ERR_FORMAT, NPY_MAGIC_BYTES, "%s: shape %s of %zu bytes each overflows",
                          in->name, text, h->item);
    if (h->item == 0 && *count > 0)
        return err_set_at(err, SIB_ERR_FORMAT, NPY_MAGIC_BYTES, "%s: its elements have size 0", in->name);
    if (*bytes > bytes_left(in))
        return err_set_at(err, SIB_ERR_FORMAT, in->offset,
                          "%s: holds %" PRIu64 " bytes of data, expected %zu for shape %s", in->name,
                          bytes_left(in), *bytes, text);
    /* Strings take their bytes and, for each, where these are. */
    bool fits = !in->max_bytes || *bytes <= in->max_bytes;
    if (fits && in->max_bytes && h->layout != NPY_NUMBERS)
        fits = *count <= (in->max_bytes - *bytes) / sizeof(sib_str);
    if (!fits)
        return err_set(err, SIB_ERR_SIZE, "%s: shape %s takes more than %" PRIu64 " bytes of memory",
                       in->name, text, in->max_bytes);
    return SIB_OK;
}

static void swap_bytes(unsigned char *data, size_t bytes, size_t width)
{
    for (size_t i = 0; width > 1 && i + width <= bytes; i += width)
        for (size_t lo = i, hi = i + width - 1; lo < hi; lo++, hi--) {
            unsigned char kept = data[lo];
            data[lo] = data[hi];
            data[hi] = kept;
        }
}

/* Reads numbers; packed types as a tensor of one byte per element. */
static sib_code read_numbers(npy_input *in, const npy_header *h, const int64_t *dims, size_t bytes,
                             sib_tensor **out, sib_error *err)
{
    bool packed = dtype_is_packed(h->dtype);
    sib_code code = tensor_create_raw(packed ? SIB_U8 : h->dtype, h->rank, dims, out, err);
    if (code == SIB_OK)
        code = read_exactly(in, (*out)->data, bytes, "the data", err);
    if (code != SIB_OK)
        return code;
    if (h->swapped)
        swap_bytes((unsigned char *)(*out)->data, bytes, dtype_align(h->dtype));
    for (size_t i = 0; h->dtype == SIB_BOOL && i < bytes; i++)
        (*out)->data[i] = (*out)->data[i] != 0;
    return SIB_OK;
}

/* Converts one '<U' element to UTF-8 in out (4 bytes per character). Returns the bytes; SIZE_MAX for an
   invalid character. */
static size_t decode_utf32(const unsigned char *src, size_t n, char *out)
{
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t character;
        memcpy(&character, src + 4 * i, sizeof character);
        size_t bytes = utf8_write(character, out + length);
        if (bytes == 0)
            return SIZE_MAX;
        length += bytes;
    }
    return length;
}

/* Converts elements as in the file, raw: (count, item), to the strings of t in the same order. */
static sib_code decode_strings(const npy_input *in, const npy_header *h, const unsigned char *raw, char *utf8,
                               sib_tensor *t, sib_error *err)
{
    size_t unit = h->layout == NPY_UTF32 ? 4 : 1;
    for (size_t i = 0; i < t->count; i++) {
        const unsigned char *src = raw + i * h->item;
        static const unsigned char zeros[4];
        size_t n = h->item / unit;
        while (n > 0 && memcmp(src + (n - 1) * unit, zeros, unit) == 0)
            n--;
        sib_str s = {(const char *)src, n};
        if (h->layout == NPY_UTF32)
            s = (sib_str){utf8, decode_utf32(src, n, utf8)};
        if (s.length == SIZE_MAX)
            return err_set_at(err, SIB_ERR_FORMAT, in->offset, "%s: string %zu holds an invalid character",
                              in->name, i);
        sib_code code = tensor_put_string((sib_str *)t->data + i, s, err);
        if (code != SIB_OK)
            return code;
    }
    return SIB_OK;
}

static sib_code read_strings(npy_input *in, const npy_header *h, const int64_t *dims, size_t bytes,
                             sib_tensor **out, sib_error *err)
{
    unsigned char *raw = mem_alloc(bytes, 1); /* (count, item) */
    char *utf8 = mem_alloc(h->item, 1);       /* no longer than in UTF-32 */
    sib_code code = raw && utf8 ? SIB_OK : err_memory(err, bytes, "strings");
    if (code == SIB_OK)
        code = read_exactly(in, raw, bytes, "the data", err);
    if (code == SIB_OK && h->swapped && h->layout == NPY_UTF32)
        swap_bytes(raw, bytes, 4);
    if (code == SIB_OK)
        code = tensor_create_raw(SIB_STRING, h->rank, dims, out, err);
    if (code == SIB_OK)
        code = decode_strings(in, h, raw, utf8, *out, err);
    mem_free(raw);
    mem_free(utf8);
    return code;
}

/* Transposes t, whose dims are those of the file reversed, to C order. */
static sib_code reorder(sib_tensor **t, sib_error *err)
{
    int64_t backwards[SIB_MAX_RANK];
    sib_tensor *view = NULL, *dense = NULL;
    for (size_t i = 0; i < (*t)->rank; i++)
        backwards[i] = (int64_t)((*t)->rank - 1 - i);
    sib_code code = sib_tensor_transpose(*t, backwards, &view, err);
    if (code == SIB_OK)
        code = sib_tensor_copy(view, &dense, err);
    sib_tensor_free(&view);
    if (code == SIB_OK) {
        sib_tensor_free(t);
        *t = dense;
    }
    return code;
}

static sib_code pack(sib_tensor **t, sib_dtype dtype, sib_error *err)
{
    sib_tensor *packed = NULL;
    sib_code code = tensor_create_raw(dtype, (*t)->rank, (*t)->dims, &packed, err);
    if (code != SIB_OK)
        return code;
    convert_dense(SIB_U8, (*t)->data, codes_of(dtype), packed->data, (size_t)packed->count,
                  SIB_OVERFLOW_IEEE);
    sib_tensor_free(t);
    *t = packed;
    return SIB_OK;
}

sib_code npy_read(npy_input *in, sib_tensor **out, sib_error *err)
{
    npy_header h;
    uint64_t count = 0;
    size_t bytes = 0;
    int64_t dims[SIB_MAX_RANK]; /* in the order of memory */
    sib_tensor *t = NULL;
    *out = NULL;
    sib_code code = read_header(in, &h, err);
    if (code == SIB_OK)
        code = measure(in, &h, &count, &bytes, err);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < h.rank; i++)
        dims[i] = h.dims[h.fortran ? h.rank - 1 - i : i];
    code = h.layout == NPY_NUMBERS ? read_numbers(in, &h, dims, bytes, &t, err)
                                   : read_strings(in, &h, dims, bytes, &t, err);
    if (code == SIB_OK && h.fortran && h.rank > 1)
        code = reorder(&t, err);
    if (code == SIB_OK && dtype_is_packed(h.dtype))
        code = pack(&t, h.dtype, err);
    if (code != SIB_OK)
        sib_tensor_free(&t);
    *out = t;
    return code;
}

static sib_code read_file(npy_input *in, void *dst, size_t n, size_t *got, sib_error *err)
{
    errno = 0;
    *got = n ? fread(dst, 1, n, in->source) : 0;
    if (*got < n && ferror(in->source))
        return err_set(err, SIB_ERR_IO, "%s: cannot be read: %s", in->name, strerror(errno ? errno : EIO));
    return SIB_OK;
}

sib_code sib_npy_load(const char *path, sib_tensor **out, sib_error *err)
{
    if (out)
        *out = NULL;
    if (!path || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", path ? "out" : "the path");
    FILE *file = fopen(path, "rbe");
    if (!file)
        return err_set(err, SIB_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    struct stat st;
    bool sized = fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode);
    npy_input in = {.read = read_file, .source = file, .name = path};
    in.size = sized ? (uint64_t)st.st_size : UINT64_MAX;
    sib_code code = npy_read(&in, out, err);
    fclose(file);
    return code;
}

static sib_code read_bytes(npy_input *in, void *dst, size_t n, size_t *got, sib_error *err)
{
    (void)err;
    *got = size_min(n, (size_t)bytes_left(in));
    if (*got)
        memcpy(dst, (const char *)in->source + in->offset, *got);
    return SIB_OK;
}

sib_code sib_npy_load_bytes(const char *name, const void *data, size_t size, uint64_t max_bytes,
                            sib_tensor **out, sib_error *err)
{
    if (out)
        *out = NULL;
    if (!name || !out || (size && !data))
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", !name ? "the name" : out ? "the data" : "out");
    npy_input in = {.read = read_bytes,
                    .source = (void *)(uintptr_t)data,
                    .name = name,
                    .size = size,
                    .max_bytes = max_bytes};
    return npy_read(&in, out, err);
}

/* ---- Writing -------------------------------------------------------------------------------------- */

/* Returns the number of characters of a string; SIZE_MAX where it is not UTF-8. out: NULL, or receives the
   characters. */
static size_t utf32_of(sib_str s, unsigned char *out)
{
    size_t n = 0;
    for (size_t at = 0; at < s.length; n++) {
        uint32_t character;
        size_t bytes = utf8_read(s.data + at, s.length - at, &character);
        if (bytes == 0)
            return SIZE_MAX;
        if (out)
            memcpy(out + 4 * n, &character, sizeof character);
        at += bytes;
    }
    return n;
}

/* Gets the max length of the strings in characters, at least 1 as in NumPy. */
static sib_code longest_string(const sib_tensor *t, const char *name, size_t *out, sib_error *err)
{
    tensor_walk walk;
    walk_begin(&walk, t);
    *out = 1;
    for (uint64_t i = 0; i < t->count; i++) {
        sib_str s;
        walk_copy(&walk, &s, 1);
        size_t n = utf32_of(s, NULL);
        if (n == SIZE_MAX)
            return err_set(err, SIB_ERR_VALUE, "%s: string %" PRIu64 " is not UTF-8", name, i);
        *out = size_max(*out, n);
    }
    return SIB_OK;
}

static sib_code image_of_strings(const sib_tensor *t, const char *name, npy_image *out, size_t *item,
                                 sib_error *err)
{
    sib_code code = longest_string(t, name, item, err);
    if (code != SIB_OK)
        return code;
    if (!size_mul(*item, 4, item) || !size_mul(*item, (size_t)t->count, &out->data_bytes))
        return err_set(err, SIB_ERR_SIZE, "%s: strings as UTF-32 do not fit in the address space", name);
    unsigned char *raw = mem_calloc(out->data_bytes, 1); /* (count, item) */
    if (!raw)
        return err_memory(err, out->data_bytes, "strings as UTF-32");
    tensor_walk walk;
    walk_begin(&walk, t);
    for (uint64_t i = 0; i < t->count; i++) {
        sib_str s;
        walk_copy(&walk, &s, 1);
        utf32_of(s, raw + i * *item);
    }
    out->data = out->owned = raw;
    return SIB_OK;
}

/* Makes the numbers of t in C order, packed ones a byte each. */
static sib_code image_of_numbers(const sib_tensor *t, npy_image *out, sib_error *err)
{
    bool packed = dtype_is_packed(t->dtype);
    if (!dtype_bytes(packed ? SIB_U8 : t->dtype, t->count, &out->data_bytes))
        return err_set(err, SIB_ERR_SIZE, "%" PRIu64 " elements do not fit in the address space", t->count);
    out->data = tensor_address(t);
    if (t->dense && !packed)
        return SIB_OK;
    out->owned = mem_alloc(out->data_bytes, 1);
    if (!out->owned)
        return err_memory(err, out->data_bytes, "an array in C order");
    tensor_walk walk;
    walk_begin_bytes(&walk, t);
    if (packed)
        convert_dense(codes_of(t->dtype), out->data, SIB_U8, out->owned, (size_t)t->count, SIB_OVERFLOW_IEEE);
    else
        walk_copy(&walk, out->owned, (size_t)t->count);
    out->data = out->owned;
    return SIB_OK;
}

sib_code npy_image_make(const sib_tensor *t, const char *name, npy_image *out, sib_error *err)
{
    size_t item = 0;
    memset(out, 0, sizeof *out);
    sib_code code =
        t->dtype == SIB_STRING ? image_of_strings(t, name, out, &item, err) : image_of_numbers(t, out, err);
    if (code == SIB_OK)
        out->header_bytes = npy_format(t->dtype, item, t->rank, t->dims, out->header);
    return code;
}

void npy_image_free(npy_image *image)
{
    mem_free(image->owned);
    memset(image, 0, sizeof *image);
}

sib_code sib_npy_save(const char *path, const sib_tensor *t, sib_error *err)
{
    npy_image image;
    outfile file;
    if (!path || !t)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", path ? "the tensor" : "the path");
    sib_code code = npy_image_make(t, path, &image, err);
    if (code == SIB_OK)
        code = outfile_begin(&file, path, err);
    if (code == SIB_OK) {
        bool written = fwrite(image.header, 1, image.header_bytes, file.stream) == image.header_bytes;
        if (written && image.data_bytes > 0)
            written = fwrite(image.data, 1, image.data_bytes, file.stream) == image.data_bytes;
        int cause = errno;
        if (written) {
            code = outfile_commit(&file, err);
        } else {
            outfile_abort(&file);
            code = err_set(err, SIB_ERR_IO, "%s: cannot be written: %s", path, strerror(cause));
        }
    }
    npy_image_free(&image);
    return code;
}
