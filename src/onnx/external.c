/* External data: files in the model's folder, each mapped once. */
#include "onnx/reader.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/path.h"
#include "base/size.h"

#include <limits.h>
#include <string.h>

/* Parses a decimal number; "" gives fallback. Returns false for anything else. */
static bool read_number(sib_str s, uint64_t fallback, uint64_t *out)
{
    *out = s.length ? 0 : fallback;
    for (size_t i = 0; i < s.length; i++) {
        unsigned digit = (unsigned)s.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, digit, out))
            return false;
    }
    return true;
}

/* The path of the file `location`, which must be in the model's folder unless external_anywhere is set. */
static sib_code find_path(const reader *r, sib_str location, char **path, sib_error *err)
{
    char name[PATH_MAX];
    if (location.length == 0 || location.length >= sizeof name || memchr(location.data, 0, location.length))
        return err_set(err, SIB_ERR_FORMAT,
                       "the location of external data has %zu bytes or a zero byte, expected a path",
                       location.length);
    memcpy(name, location.data, location.length);
    name[location.length] = '\0';
    if (r->external_anywhere) {
        *path = path_join(r->folder, name);
        return *path ? SIB_OK : err_memory(err, location.length, "a path");
    }
    sib_code code = path_confined(r->folder, name, path, err);
    return code == SIB_ERR_ARGUMENT ? SIB_ERR_FORMAT : code;
}

static sib_code open_file(reader *r, const tensor_proto *p, mapping **out)
{
    sib_error why = SIB_ERROR_INIT;
    char *path = NULL, *folder = NULL;
    if (!r->folder && !r->external_anywhere)
        return reader_fail(r, SIB_ERR_FORMAT, p->bytes.data,
                           "tensor '%.*s' is in the file '%.*s', but no folder was given to look in",
                           STR_ARGS(p->name), STR_ARGS(p->location));
    sib_code code = find_path(r, p->location, &path, &why);
    if (code == SIB_OK && !r->external_anywhere)
        code = path_resolve(r->folder, &folder, &why);
    if (code == SIB_OK)
        code = folder ? mapping_open_inside(path, folder, out, &why) : mapping_open(path, out, &why);
    mem_free(folder);
    mem_free(path);
    return code == SIB_OK
               ? SIB_OK
               : reader_fail(r, code, p->bytes.data, "tensor '%.*s': %s", STR_ARGS(p->name), why.message);
}

/* Gets the file of a location, open already or opened now. */
static sib_code find_file(reader *r, const tensor_proto *p, mapping **out)
{
    for (size_t i = r->n_externals; i-- > 0;) /* usually the same as last time */
        if (str_same(r->externals[i].location, p->location)) {
            *out = r->externals[i].file;
            return SIB_OK;
        }
    if (!reader_room(r->scratch, &r->externals, r->n_externals, &r->external_capacity, sizeof *r->externals))
        return reader_memory(r, sizeof *r->externals, "a list of files");
    mapping *file = NULL;
    sib_code code = open_file(r, p, &file);
    if (code != SIB_OK)
        return code;
    for (size_t i = 0; i < r->n_externals; i++) { /* another name of an open file */
        mapping *other = r->externals[i].file;
        if (other->device == file->device && other->inode == file->inode) {
            mapping_release(file);
            mapping_keep(other);
            file = other;
            break;
        }
    }
    r->externals[r->n_externals++] = (external_file){p->location, file};
    *out = file;
    return SIB_OK;
}

sib_code external_find(reader *r, const tensor_proto *p, mapping **file, wire_span *bytes)
{
    uint64_t offset, length;
    if (!read_number(p->offset, 0, &offset) || !read_number(p->length, p->n_bytes, &length))
        return reader_fail(
            r, SIB_ERR_FORMAT, p->bytes.data,
            "tensor '%.*s': offset '%.*s' or length '%.*s' of its external data is not a number",
            STR_ARGS(p->name), STR_ARGS(p->offset), STR_ARGS(p->length));
    sib_code code = find_file(r, p, file);
    if (code != SIB_OK)
        return code;
    size_t size = (*file)->bytes.size;
    if (offset > size || length > size - offset)
        return reader_fail(r, SIB_ERR_FORMAT, p->bytes.data,
                           "tensor '%.*s' is at bytes %llu to %llu of '%.*s', which has %zu bytes",
                           STR_ARGS(p->name), (unsigned long long)offset,
                           (unsigned long long)(offset + length), STR_ARGS(p->location), size);
    *bytes = (wire_span){(*file)->bytes.data + offset, (size_t)length};
    return SIB_OK;
}
