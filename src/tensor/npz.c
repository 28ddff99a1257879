/* .npz: a zip archive with one .npy file per array. libzip reads and writes it, and allocates its own
   memory. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/outfile.h"
#include "tensor/npy.h"
#include "tensor/tensor.h"

#include <sibyl/npy_file.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

#define SUFFIX       ".npy"
#define SUFFIX_BYTES 4

/* An empty archive: the end record of an empty directory. */
static const char empty_archive[22] = "PK\x05\x06";

/* Members carry the earliest date of the zip format, so that equal arrays give identical archives. */
#define ZIP_DATE_1980 0x21

/* Maps libzip's code to ours where it concerns the contents of an archive. */
static sib_code code_of(int zip_code)
{
    switch (zip_code) {
    case ZIP_ER_MEMORY:
        return SIB_ERR_MEMORY;
    case ZIP_ER_OPEN:
    case ZIP_ER_NOENT:
    case ZIP_ER_READ:
    case ZIP_ER_WRITE:
    case ZIP_ER_SEEK:
    case ZIP_ER_CLOSE:
    case ZIP_ER_RENAME:
    case ZIP_ER_TMPOPEN:
        return SIB_ERR_IO;
    case ZIP_ER_COMPNOTSUPP:
    case ZIP_ER_ENCRNOTSUPP:
    case ZIP_ER_NOPASSWD:
    case ZIP_ER_MULTIDISK:
        return SIB_ERR_UNSUPPORTED;
    default:
        return SIB_ERR_FORMAT;
    }
}

/* ---- Writing -------------------------------------------------------------------------------------- */

typedef struct archive_stream {
    FILE *file;
    zip_error_t error;
} archive_stream;

static zip_int64_t stream_failed(archive_stream *s, int zip_code)
{
    zip_error_set(&s->error, zip_code, errno);
    return -1;
}

static zip_int64_t stream_seek(archive_stream *s, void *data, zip_uint64_t length)
{
    const zip_source_args_seek_t *args = ZIP_SOURCE_GET_ARGS(zip_source_args_seek_t, data, length, &s->error);
    if (!args)
        return -1;
    return fseeko(s->file, (off_t)args->offset, args->whence) == 0 ? 0 : stream_failed(s, ZIP_ER_SEEK);
}

/* Callback for the file of a new archive, which libzip only writes. */
static zip_int64_t stream_call(void *user, void *data, zip_uint64_t length, zip_source_cmd_t command)
{
    archive_stream *s = user;
    switch (command) {
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(
            ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
            ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_BEGIN_WRITE,
            ZIP_SOURCE_COMMIT_WRITE, ZIP_SOURCE_ROLLBACK_WRITE, ZIP_SOURCE_WRITE, ZIP_SOURCE_SEEK_WRITE,
            ZIP_SOURCE_TELL_WRITE, ZIP_SOURCE_REMOVE, -1);
    case ZIP_SOURCE_STAT: {
        zip_stat_t *st = data;
        zip_stat_init(st);
        st->valid = ZIP_STAT_SIZE;
        st->size = 0;
        return sizeof *st;
    }
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&s->error, data, length);
    case ZIP_SOURCE_WRITE:
        return fwrite(data, 1, length, s->file) == length ? (zip_int64_t)length
                                                          : stream_failed(s, ZIP_ER_WRITE);
    case ZIP_SOURCE_SEEK_WRITE:
        return stream_seek(s, data, length);
    case ZIP_SOURCE_TELL_WRITE:
        return ftello(s->file);
    default: /* nothing is read, and the other commands need no action */
        return 0;
    }
}

/* Reports a failure of libzip while it wrote `path`. */
static sib_code write_failed(const char *path, const char *array, zip_error_t *error, sib_error *err)
{
    int code = zip_error_code_zip(error);
    if (code == ZIP_ER_EXISTS || code == ZIP_ER_INVAL)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: array name '%s' is %s", path, array,
                       code == ZIP_ER_EXISTS ? "given twice" : "not UTF-8");
    if (code == ZIP_ER_MEMORY)
        return err_set(err, SIB_ERR_MEMORY, "%s: out of memory: libzip", path);
    return err_set(err, SIB_ERR_IO, "%s: cannot be written: %s", path, zip_error_strerror(error));
}

/* Adds one array; its image must live until the archive is closed. */
static sib_code add_member(zip_t *zip, const char *path, const sib_npz_entry *entry, const npy_image *image,
                           bool compress, sib_error *err)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_buffer_fragment_t parts[2] = {
        {.data = (zip_uint8_t *)image->header, .length = image->header_bytes},
        {.data = (zip_uint8_t *)image->data, .length = image->data_bytes},
    };
    size_t bytes = strlen(entry->name) + SUFFIX_BYTES + 1;
    char *name = mem_alloc(bytes, 1);
    if (!name)
        return err_memory(err, bytes, "an array name");
    snprintf(name, bytes, "%s" SUFFIX, entry->name);
    zip_source_t *source = zip_source_buffer_fragment_create(parts, image->data_bytes ? 2 : 1, 0, &error);
    zip_int64_t index = source ? zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8) : -1;
    mem_free(name);
    sib_code code = SIB_OK;
    if (!source)
        code = write_failed(path, entry->name, &error, err);
    else if (index < 0)
        zip_source_free(source);
    if (code == SIB_OK &&
        (index < 0 ||
         zip_set_file_compression(zip, (zip_uint64_t)index, compress ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) ||
         zip_file_set_dostime(zip, (zip_uint64_t)index, 0, ZIP_DATE_1980, 0)))
        code = write_failed(path, entry->name, zip_get_error(zip), err);
    zip_error_fini(&error);
    return code;
}

/* Writes all members to an open file. images: (n), zeroed; the caller frees them. */
static sib_code write_members(FILE *file, const char *path, const sib_npz_entry *entries, npy_image *images,
                              size_t n, bool compress, sib_error *err)
{
    sib_code code = SIB_OK;
    zip_error_t error;
    archive_stream stream = {.file = file};
    zip_error_init(&error);
    zip_error_init(&stream.error);
    zip_source_t *source = zip_source_function_create(stream_call, &stream, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_CREATE | ZIP_TRUNCATE, &error) : NULL;
    if (!zip) {
        code = write_failed(path, "", &error, err);
        zip_source_free(source);
    }
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        char label[sizeof err->message];
        snprintf(label, sizeof label, "%s: array '%s'", path, entries[i].name);
        code = npy_image_make(entries[i].tensor, label, &images[i], err);
        if (code == SIB_OK)
            code = add_member(zip, path, &entries[i], &images[i], compress, err);
    }
    if (zip && code == SIB_OK && zip_close(zip) == 0)
        zip = NULL;
    else if (zip && code == SIB_OK)
        code = write_failed(path, "", zip_get_error(zip), err);
    if (zip)
        zip_discard(zip);
    zip_error_fini(&stream.error);
    zip_error_fini(&error);
    return code;
}

static sib_code check_save(const char *path, const sib_npz_entry *entries, size_t n, sib_error *err)
{
    if (!path || (n > 0 && !entries))
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", path ? "entries" : "the path");
    for (size_t i = 0; i < n; i++)
        if (!entries[i].name || !entries[i].name[0] || !entries[i].tensor)
            return err_set(err, SIB_ERR_ARGUMENT, "%s: array %zu has no %s", path, i,
                           entries[i].tensor ? "name" : "tensor");
    return SIB_OK;
}

sib_code sib_npz_save(const char *path, const sib_npz_entry *entries, size_t n, bool compress, sib_error *err)
{
    outfile file;
    sib_code code = check_save(path, entries, n, err);
    if (code != SIB_OK)
        return code;
    npy_image *images = mem_calloc(n, sizeof *images);
    if (!images)
        return err_memory(err, n * sizeof *images, "an archive");
    code = outfile_begin(&file, path, err);
    if (code == SIB_OK) {
        if (n == 0)
            fwrite(empty_archive, 1, sizeof empty_archive, file.stream);
        else
            code = write_members(file.stream, path, entries, images, n, compress, err);
        if (code == SIB_OK)
            code = outfile_commit(&file, err);
        else
            outfile_abort(&file);
    }
    for (size_t i = 0; i < n; i++)
        npy_image_free(&images[i]);
    mem_free(images);
    return code;
}

/* ---- Reading -------------------------------------------------------------------------------------- */

static sib_code read_member(npy_input *in, void *dst, size_t n, size_t *got, sib_error *err)
{
    for (*got = 0; *got < n;) {
        zip_int64_t bytes = zip_fread(in->source, (char *)dst + *got, n - *got);
        if (bytes < 0) {
            zip_error_t *error = zip_file_get_error(in->source);
            return err_set_at(err, code_of(zip_error_code_zip(error)), in->offset + *got, "%s: %s", in->name,
                              zip_error_strerror(error));
        }
        if (bytes == 0)
            break;
        *got += (size_t)bytes;
    }
    return SIB_OK;
}

/* Reads to the end, where libzip verifies the checksum. */
static sib_code check_end(npy_input *in, sib_error *err)
{
    char rest[4096];
    size_t got;
    sib_code code;
    do {
        code = read_member(in, rest, sizeof rest, &got, err);
        in->offset += got;
        if (code == SIB_OK && in->max_bytes && got && in->offset - got > in->max_bytes + NPY_TEXT_LIMIT)
            code = err_set(err, SIB_ERR_SIZE, "%s: has more than %llu bytes", in->name,
                           (unsigned long long)in->max_bytes);
    } while (code == SIB_OK && got == sizeof rest);
    return code;
}

/* What is left of *left bytes after an array of which (read) bytes were read; at least 1, as 0 stands for any number. */
static void take_bytes(uint64_t *left, const sib_tensor *t, uint64_t read)
{
    uint64_t taken = read + (t->dtype == SIB_STRING ? t->count * sizeof(sib_str) : 0);
    if (*left)
        *left = taken < *left ? *left - taken : 1;
}

/* Reads member i into *out if it is an array, else leaves *out unchanged. *left: bytes that arrays may take yet, 0: any. */
static sib_code load_member(zip_t *zip, const char *path, zip_uint64_t i, uint64_t *left, sib_npz_entry *out,
                            sib_error *err)
{
    zip_stat_t st;
    const char *name = zip_get_name(zip, i, 0);
    size_t length = name ? strlen(name) : 0;
    if (!name || zip_stat_index(zip, i, 0, &st) != 0)
        return err_set(err, code_of(zip_error_code_zip(zip_get_error(zip))), "%s: member %llu: %s", path,
                       (unsigned long long)i, zip_strerror(zip));
    if (length < SUFFIX_BYTES || strcmp(name + length - SUFFIX_BYTES, SUFFIX) != 0)
        return SIB_OK;
    char label[sizeof err->message];
    snprintf(label, sizeof label, "%s: array '%.*s'", path, (int)(length - SUFFIX_BYTES), name);
    zip_file_t *member = zip_fopen_index(zip, i, 0);
    if (!member)
        return err_set(err, code_of(zip_error_code_zip(zip_get_error(zip))), "%s: %s", label,
                       zip_strerror(zip));
    npy_input in = {.read = read_member, .source = member, .name = label, .max_bytes = *left};
    in.size = st.valid & ZIP_STAT_SIZE ? st.size : UINT64_MAX;
    sib_code code = npy_read(&in, &out->tensor, err);
    if (code == SIB_OK)
        code = check_end(&in, err);
    if (code == SIB_OK)
        take_bytes(left, out->tensor, in.offset);
    zip_fclose(member);
    if (code == SIB_OK && !(out->name = mem_alloc(length - SUFFIX_BYTES + 1, 1)))
        code = err_memory(err, length, "an array name");
    if (code != SIB_OK) {
        sib_tensor_free(&out->tensor);
        return code;
    }
    memcpy(out->name, name, length - SUFFIX_BYTES);
    out->name[length - SUFFIX_BYTES] = '\0';
    return SIB_OK;
}

static sib_code open_archive(const char *path, zip_t **out, sib_error *err)
{
    struct stat st;
    int zip_code = 0;
    if (stat(path, &st) != 0)
        return err_set(err, SIB_ERR_IO, "%s: cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, SIB_ERR_IO, "%s: is a folder or a device, expected a file", path);
    /* libzip treats an empty file as an archive without members. */
    if (st.st_size < (off_t)sizeof empty_archive)
        return err_set_at(err, SIB_ERR_FORMAT, 0, "%s: is not an .npz archive, expected at least %zu bytes",
                          path, sizeof empty_archive);
    *out = zip_open(path, ZIP_RDONLY, &zip_code);
    if (*out)
        return SIB_OK;
    zip_error_t error;
    zip_error_init_with_code(&error, zip_code);
    sib_code code =
        err_set(err, code_of(zip_code), "%s: cannot be read as .npz: %s", path, zip_error_strerror(&error));
    zip_error_fini(&error);
    return code;
}

/* Ends zip. left: as in load_member. */
static sib_code load_all(zip_t *zip, const char *path, uint64_t left, sib_npz_entry **entries, size_t *n,
                         sib_error *err)
{
    sib_code code = SIB_OK;
    size_t members = (size_t)zip_get_num_entries(zip, 0), loaded = 0;
    /* (members), of which the first `loaded` are used */
    sib_npz_entry *list = mem_calloc(members, sizeof *list);
    if (!list)
        code = err_memory(err, members * sizeof *list, "an archive");
    for (size_t i = 0; i < members && code == SIB_OK; i++) {
        code = load_member(zip, path, i, &left, &list[loaded], err);
        loaded += code == SIB_OK && list[loaded].tensor;
    }
    zip_discard(zip);
    if (code != SIB_OK) {
        sib_npz_free(&list, loaded);
        return code;
    }
    *entries = list;
    *n = loaded;
    return SIB_OK;
}

sib_code sib_npz_load(const char *path, sib_npz_entry **entries, size_t *n, sib_error *err)
{
    return sib_npz_load_limited(path, 0, entries, n, err);
}

sib_code sib_npz_load_limited(const char *path, uint64_t max_bytes, sib_npz_entry **entries, size_t *n,
                              sib_error *err)
{
    zip_t *zip;
    if (entries)
        *entries = NULL;
    if (n)
        *n = 0;
    if (!path || !entries || !n)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", path ? "entries or n" : "the path");
    sib_code code = open_archive(path, &zip, err);
    return code == SIB_OK ? load_all(zip, path, max_bytes, entries, n, err) : code;
}

sib_code sib_npz_load_bytes(const char *name, const void *data, size_t size, uint64_t max_bytes,
                            sib_npz_entry **entries, size_t *n, sib_error *err)
{
    if (entries)
        *entries = NULL;
    if (n)
        *n = 0;
    if (!name || !entries || !n || (size && !data))
        return err_set(err, SIB_ERR_ARGUMENT, "the name, the data, entries or n is NULL");
    if (size < sizeof empty_archive)
        return err_set_at(err, SIB_ERR_FORMAT, 0, "%s: is not an .npz archive, expected at least %zu bytes",
                          name, sizeof empty_archive);
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(data, size, 0, &error);
    zip_t *zip = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : NULL;
    sib_code code = SIB_OK;
    if (!zip) {
        code = err_set(err, code_of(zip_error_code_zip(&error)), "%s: cannot be read as .npz: %s", name,
                       zip_error_strerror(&error));
        zip_source_free(source);
    }
    zip_error_fini(&error);
    return zip ? load_all(zip, name, max_bytes, entries, n, err) : code;
}

void sib_npz_free(sib_npz_entry **entries, size_t n)
{
    if (!entries || !*entries)
        return;
    for (size_t i = 0; i < n; i++) {
        mem_free((*entries)[i].name);
        sib_tensor_free(&(*entries)[i].tensor);
    }
    mem_free(*entries);
    *entries = NULL;
}
