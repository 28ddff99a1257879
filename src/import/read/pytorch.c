/* PyTorch's files. Since 1.6 a zip archive: NAME/data.pkl, NAME/data/KEY for each storage, NAME/byteorder.
   Before that, and on request, the legacy form: pickles of a magic number, a version, the system, the object
   and the list of storages' keys, then each storage, preceded by its number of elements (8 bytes). */
#include "import/read/torch_state.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "import/read/zip.h"

#include <stdio.h>

/* ---- The zip form --------------------------------------------------------------------------------- */

typedef struct zip_form {
    ckpt_file *s;
    zip_directory directory;
    sib_str folder; /* "archive/" */
} zip_form;

static bool recognises_zip(byte_span b)
{
    return b.size >= 4 && memcmp(b.data, "PK\3\4", 4) == 0;
}

static const zip_entry *find_entry(const zip_form *z, const char *before, sib_str name)
{
    char path[512];
    size_t length = z->folder.length + strlen(before) + name.length;
    if (length >= sizeof path)
        return NULL;
    snprintf(path, sizeof path, "%.*s%s%.*s", (int)z->folder.length, z->folder.data, before, (int)name.length,
             name.data);
    return zip_find(&z->directory, (sib_str){path, length});
}

static sib_code find_in_zip(void *context, const pickle_value *storage, uint64_t *offset)
{
    const zip_form *z = context;
    uint64_t bytes;
    const zip_entry *e = find_entry(z, "data/", storage->key);
    if (!e)
        return ckpt_fail(z->s, SIB_ERR_FORMAT, storage->at, "storage '%.*s' has no entry in the archive",
                         READER_STR(storage->key));
    if (!torch_storage_bytes(storage, &bytes) || bytes != e->size)
        return ckpt_fail(z->s, SIB_ERR_FORMAT, storage->at,
                         "storage '%.*s' has %lld elements of %s, but its entry has %llu bytes",
                         READER_STR(storage->key), (long long)storage->numel, sib_dtype_name(storage->dtype),
                         (unsigned long long)e->size);
    *offset = e->offset;
    return SIB_OK;
}

/* Finds the one entry FOLDER/data.pkl. */
static sib_code find_pickle(zip_form *z, const zip_entry **out)
{
    static const char name[] = "data.pkl";
    size_t n = sizeof name - 1;
    *out = NULL;
    for (size_t i = 0; i < z->directory.n; i++) {
        const zip_entry *e = &z->directory.entries[i];
        const char *slash = memchr(e->name.data, '/', e->name.length);
        size_t folder = slash ? (size_t)(slash - e->name.data) + 1 : 0;
        if (e->name.length - folder != n || memcmp(e->name.data + folder, name, n) != 0)
            continue;
        if (*out)
            return ckpt_fail(z->s, SIB_ERR_FORMAT, e->header,
                             "the archive has both '%.*s' and '%.*s', expected one of them",
                             READER_STR((*out)->name), READER_STR(e->name));
        *out = e;
        z->folder = (sib_str){e->name.data, folder};
    }
    if (*out)
        return SIB_OK;
    return ckpt_fail(z->s, SIB_ERR_FORMAT, SIB_NO_OFFSET,
                     "the zip archive has no data.pkl, so it is not PyTorch's");
}

static sib_code check_archive(zip_form *z)
{
    const zip_entry *order = find_entry(z, "", str_of("byteorder")),
                    *code = find_entry(z, "", str_of("constants.pkl"));
    if (code)
        return ckpt_fail(z->s, SIB_ERR_UNSUPPORTED, code->header,
                         "the archive is a TorchScript program, expected a state dict");
    if (!order)
        return SIB_OK;
    sib_str text = {(const char *)z->s->bytes.data + order->offset, (size_t)order->size};
    if (text.length == 6 && memcmp(text.data, "little", 6) == 0)
        return SIB_OK;
    return ckpt_fail(z->s, SIB_ERR_UNSUPPORTED, order->offset, "its byte order is '%.*s', expected 'little'",
                     READER_STR(text));
}

static sib_code read_zip(ckpt_file *s)
{
    zip_form z = {.s = s};
    pickle p = {0};
    const zip_entry *e = NULL;
    uint32_t root = 0;
    uint64_t at = 0;
    sib_code code = zip_open_directory(s, &z.directory);
    if (code == SIB_OK)
        code = find_pickle(&z, &e);
    if (code == SIB_OK)
        code = check_archive(&z);
    if (code == SIB_OK) {
        at = e->offset;
        code = pickle_read(s, &at, e->offset + e->size, &p, &root);
    }
    if (code == SIB_OK)
        code = torch_add_state(&p, root, &(torch_storages){find_in_zip, &z});
    pickle_clear(&p);
    zip_close_directory(&z.directory);
    return code;
}

/* ---- The legacy form ------------------------------------------------------------------------------ */

static const uint8_t magic[] = {0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19};

typedef struct legacy_storage {
    const pickle_value *value; /* its description in the object */
    uint64_t offset;           /* of its elements; 0 until found */
} legacy_storage;

typedef struct legacy_form {
    ckpt_file *s;
    legacy_storage *storages;
    size_t n, capacity;
    name_map keys; /* key to index */
} legacy_form;

/* True for a pickle that begins with the number; from protocol 4 on a frame may precede it. */
static bool recognises_legacy(byte_span b)
{
    for (size_t at = 2; b.size > 32 && b.data[0] == 0x80 && at < 16; at++)
        if (b.data[at] == 0x8A && b.data[at + 1] == sizeof magic &&
            memcmp(b.data + at + 2, magic, sizeof magic) == 0)
            return true;
    return false;
}

/* Reads one pickle in front of the object: a number, or a dict whose `key` is true. */
static sib_code read_small(ckpt_file *s, uint64_t *at, pickle_kind kind, const char *what, int64_t number)
{
    pickle p = {0};
    uint32_t root = 0, little = 0;
    uint64_t begin = *at;
    sib_code code = pickle_read(s, at, s->bytes.size, &p, &root);
    const pickle_value *v = code == SIB_OK ? pickle_at(&p, root) : NULL;
    if (v && v->kind != kind)
        code = ckpt_fail(s, SIB_ERR_FORMAT, begin, "%s is %s, expected %s", what, pickle_kind_name(v->kind),
                         pickle_kind_name(kind));
    else if (v && kind == PICKLE_INT && v->number != number)
        code = ckpt_fail(s, SIB_ERR_UNSUPPORTED, begin, "%s is %lld, expected %lld", what,
                         (long long)v->number, (long long)number);
    else if (v && kind == PICKLE_DICT && pickle_find(&p, root, "little_endian", &little) &&
             (pickle_at(&p, little)->kind != PICKLE_BOOL || !pickle_at(&p, little)->number))
        code = ckpt_fail(s, SIB_ERR_UNSUPPORTED, begin,
                         "it was written on a big-endian machine, which is not supported");
    pickle_clear(&p);
    return code;
}

/* Lists the storages that the object names. */
static sib_code list_storages(legacy_form *l, const pickle *p)
{
    for (size_t i = 0; i < p->n_values; i++) {
        const pickle_value *v = &p->values[i];
        uint32_t other;
        if (v->kind != PICKLE_STORAGE)
            continue;
        if (name_map_find(&l->keys, v->key, &other)) {
            SIB_ASSERT(l->storages && other < l->n);
            if (l->storages[other].value->dtype != v->dtype || l->storages[other].value->numel != v->numel)
                return ckpt_fail(l->s, SIB_ERR_FORMAT, v->at,
                                 "storage '%.*s' is named with two types or sizes", READER_STR(v->key));
            continue;
        }
        if (ARRAY_RESERVE(l->storages, l->capacity, l->n + 1, "a checkpoint", NULL) != SIB_OK ||
            !name_map_put(&l->keys, v->key, (uint32_t)l->n))
            return err_memory(l->s->err, sizeof *l->storages, "storages of a checkpoint");
        l->storages[l->n++] = (legacy_storage){.value = v};
    }
    return SIB_OK;
}

/* Reads one storage at *at. */
static sib_code read_storage(legacy_form *l, const pickle_value *key, uint64_t *at)
{
    uint32_t i = 0;
    uint64_t numel = 0, bytes = 0, begin = *at;
    byte_span data;
    if (key->kind != PICKLE_STRING || !name_map_find(&l->keys, key->text, &i))
        return ckpt_fail(l->s, SIB_ERR_FORMAT, key->at,
                         "the list of storages has a key that no tensor names");
    SIB_ASSERT(l->storages && i < l->n);
    legacy_storage *storage = &l->storages[i];
    if (storage->offset)
        return ckpt_fail(l->s, SIB_ERR_FORMAT, key->at, "storage '%.*s' occurs twice", READER_STR(key->text));
    sib_code code = ckpt_u64(l->s, at, "a storage's number of elements", &numel);
    if (code == SIB_OK &&
        (numel != (uint64_t)storage->value->numel || !torch_storage_bytes(storage->value, &bytes)))
        return ckpt_fail(l->s, SIB_ERR_FORMAT, begin, "storage '%.*s' has %llu elements, expected %lld",
                         READER_STR(key->text), (unsigned long long)numel, (long long)storage->value->numel);
    storage->offset = *at;
    return code == SIB_OK ? ckpt_take(l->s, at, bytes, "a storage", &data) : code;
}

static sib_code read_storages(legacy_form *l, uint64_t *at)
{
    pickle p = {0};
    uint32_t root = 0;
    uint64_t begin = *at;
    sib_code code = pickle_read(l->s, at, l->s->bytes.size, &p, &root);
    if (code == SIB_OK && pickle_at(&p, root)->kind != PICKLE_LIST)
        code = ckpt_fail(l->s, SIB_ERR_FORMAT, begin, "the list of storages is %s",
                         pickle_kind_name(pickle_at(&p, root)->kind));
    for (uint32_t i = 0; code == SIB_OK && i < pickle_at(&p, root)->n; i++)
        code = read_storage(l, pickle_at(&p, pickle_at(&p, root)->items[i]), at);
    pickle_clear(&p);
    return code;
}

static sib_code find_in_legacy(void *context, const pickle_value *storage, uint64_t *offset)
{
    const legacy_form *l = context;
    uint32_t i;
    if (!name_map_find(&l->keys, storage->key, &i) || !l->storages[i].offset)
        return ckpt_fail(l->s, SIB_ERR_FORMAT, storage->at, "storage '%.*s' is not in the file",
                         READER_STR(storage->key));
    *offset = l->storages[i].offset;
    return SIB_OK;
}

static sib_code read_legacy(ckpt_file *s)
{
    legacy_form l = {.s = s};
    pickle p = {0};
    uint64_t at = 0;
    uint32_t root = 0;
    sib_code code = read_small(s, &at, PICKLE_LONG, "the magic number", 0);
    if (code == SIB_OK)
        code = read_small(s, &at, PICKLE_INT, "the version of the legacy form", 1001);
    if (code == SIB_OK)
        code = read_small(s, &at, PICKLE_DICT, "the record of the system", 0);
    if (code == SIB_OK)
        code = pickle_read(s, &at, s->bytes.size, &p, &root);
    if (code == SIB_OK)
        code = list_storages(&l, &p);
    if (code == SIB_OK)
        code = read_storages(&l, &at);
    if (code == SIB_OK && at != s->bytes.size)
        code = ckpt_fail(s, SIB_ERR_FORMAT, at, "%llu unexpected bytes follow the last storage",
                         (unsigned long long)(s->bytes.size - at));
    if (code == SIB_OK)
        code = torch_add_state(&p, root, &(torch_storages){find_in_legacy, &l});
    mem_free(l.storages);
    name_map_clear(&l.keys);
    pickle_clear(&p);
    return code;
}

/* ---- Both forms ----------------------------------------------------------------------------------- */

static bool recognises(byte_span b)
{
    return recognises_zip(b) || recognises_legacy(b);
}

static sib_code read_pytorch(ckpt_file *s)
{
    return recognises_zip(s->bytes) ? read_zip(s) : read_legacy(s);
}

const checkpoint_format format_pytorch = {"pytorch", recognises, read_pytorch, true};
