/* The directory of a zip archive as in PKWARE's APPNOTE 6.3, with the extensions for 64-bit sizes. */
#include "import/read/zip.h"

#include "base/alloc.h"

#include <stdlib.h>

#define END_BYTES     22
#define LOCATOR_BYTES 20
#define ENTRY_BYTES   46
#define LOCAL_BYTES   30
#define MAX_COMMENT   65535

#define FLAG_ENCRYPTED  0x0001
#define FLAG_DESCRIPTOR 0x0008 /* sizes follow the bytes, and may be zero before them */

static uint32_t u16(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static uint32_t u32(const uint8_t *p)
{
    return u16(p) | u16(p + 2) << 16;
}

static uint64_t u64(const uint8_t *p)
{
    return u32(p) | (uint64_t)u32(p + 4) << 32;
}

static bool has_signature(const ckpt_file *s, uint64_t at, uint64_t bytes, const char *signature)
{
    return at <= s->bytes.size && bytes <= s->bytes.size - at &&
           memcmp(s->bytes.data + at, signature, 4) == 0;
}

/* The range of the directory, and its number of entries. */
typedef struct span64 {
    uint64_t begin, end, n;
} span64;

/* Finds the record at the end, which only its comment follows. */
static sib_code find_end(ckpt_file *s, uint64_t *out)
{
    uint64_t size = s->bytes.size;
    for (uint64_t back = END_BYTES; back <= size && back <= END_BYTES + MAX_COMMENT; back++) {
        uint64_t at = size - back;
        if (has_signature(s, at, END_BYTES, "PK\5\6") && u16(s->bytes.data + at + 20) == back - END_BYTES) {
            *out = at;
            return SIB_OK;
        }
    }
    return ckpt_fail(s, SIB_ERR_FORMAT, size,
                     "the zip archive has no directory at its end; the file may be cut off");
}

static sib_code find_directory(ckpt_file *s, span64 *d)
{
    uint64_t at = 0, size;
    sib_code code = find_end(s, &at);
    if (code != SIB_OK)
        return code;
    const uint8_t *end = s->bytes.data + at;
    d->n = u16(end + 10);
    size = u32(end + 12);
    d->begin = u32(end + 16);
    if (u16(end + 4) != 0 || u16(end + 6) != 0)
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, at,
                         "the zip archive spans several disks, which is not supported");
    if (at >= LOCATOR_BYTES && has_signature(s, at - LOCATOR_BYTES, LOCATOR_BYTES, "PK\6\7")) {
        uint64_t wide = u64(end - LOCATOR_BYTES + 8);
        if (!has_signature(s, wide, 56, "PK\6\6"))
            return ckpt_fail(s, SIB_ERR_FORMAT, at - LOCATOR_BYTES,
                             "the zip archive's 64-bit end record is not where its locator says");
        d->n = u64(s->bytes.data + wide + 32);
        size = u64(s->bytes.data + wide + 40);
        d->begin = u64(s->bytes.data + wide + 48);
        at = wide;
    }
    if (d->begin > at || size > at - d->begin)
        return ckpt_fail(s, SIB_ERR_FORMAT, at,
                         "the zip archive's directory of %llu bytes at %llu extends past the end of the file",
                         (unsigned long long)size, (unsigned long long)d->begin);
    d->end = d->begin + size;
    if (d->n > size / ENTRY_BYTES)
        return ckpt_fail(s, SIB_ERR_FORMAT, at,
                         "the zip archive's directory has room for %llu entries, but declares %llu",
                         (unsigned long long)(size / ENTRY_BYTES), (unsigned long long)d->n);
    return SIB_OK;
}

/* Values that do not fit in 32 bits are in an extra field, one after another. Returns false where the field
   is missing or too short. */
static bool read_wide(const uint8_t *extra, size_t n, uint64_t *const values[3])
{
    const uint8_t *at = NULL;
    size_t left = 0;
    for (size_t i = 0; i + 4 <= n; i += 4 + u16(extra + i + 2))
        if (u16(extra + i) == 1 && u16(extra + i + 2) <= n - i - 4) {
            at = extra + i + 4;
            left = u16(extra + i + 2);
            break;
        }
    for (size_t k = 0; k < 3; k++) {
        if (!values[k] || *values[k] != UINT32_MAX)
            continue;
        if (left < 8)
            return false;
        *values[k] = u64(at);
        at += 8;
        left -= 8;
    }
    return true;
}

/* The local header must agree with the directory. */
static sib_code read_local(ckpt_file *s, zip_entry *e, uint64_t directory)
{
    if (!has_signature(s, e->header, LOCAL_BYTES, "PK\3\4"))
        return ckpt_fail(s, SIB_ERR_FORMAT, e->header, "entry '%.*s' is not where the directory says",
                         READER_STR(e->name));
    const uint8_t *h = s->bytes.data + e->header;
    uint64_t names = u16(h + 26), extras = u16(h + 28), rest = s->bytes.size - e->header - LOCAL_BYTES;
    uint64_t packed = u32(h + 18), size = u32(h + 22);
    if (names + extras > rest)
        return ckpt_fail(s, SIB_ERR_FORMAT, e->header, "entry '%.*s' extends past the end of the file",
                         READER_STR(e->name));
    if (names != e->name.length || memcmp(h + LOCAL_BYTES, e->name.data, names) != 0)
        return ckpt_fail(s, SIB_ERR_FORMAT, e->header, "entry '%.*s' has another name in its local header",
                         READER_STR(e->name));
    bool later = u16(h + 6) & FLAG_DESCRIPTOR && size == 0 && packed == 0;
    bool wide =
        read_wide(h + LOCAL_BYTES + names, (size_t)extras, (uint64_t *const[3]){&size, &packed, NULL});
    if (u16(h + 8) != 0 || (!later && (!wide || size != e->size || packed != e->size)))
        return ckpt_fail(
            s, SIB_ERR_FORMAT, e->header,
            "entry '%.*s': the directory declares %llu stored bytes, its local header something else",
            READER_STR(e->name), (unsigned long long)e->size);
    e->offset = e->header + LOCAL_BYTES + names + extras;
    if (e->offset > directory || e->size > directory - e->offset)
        return ckpt_fail(s, SIB_ERR_FORMAT, e->header,
                         "entry '%.*s': %llu bytes at %llu extend past the end of the archive",
                         READER_STR(e->name), (unsigned long long)e->size, (unsigned long long)e->offset);
    return SIB_OK;
}

/* Reads the directory's entry at *at, and advances *at. */
static sib_code read_entry(ckpt_file *s, const span64 *d, uint64_t *at, zip_entry *e)
{
    uint64_t left = d->end - *at, packed;
    if (left < ENTRY_BYTES || !has_signature(s, *at, ENTRY_BYTES, "PK\1\2"))
        return ckpt_fail(s, SIB_ERR_FORMAT, *at, "the zip archive's directory is damaged");
    const uint8_t *h = s->bytes.data + *at;
    size_t names = u16(h + 28), extras = u16(h + 30), comments = u16(h + 32);
    if (names + extras + comments > left - ENTRY_BYTES)
        return ckpt_fail(s, SIB_ERR_FORMAT, *at, "the zip archive's directory is damaged");
    *e = (zip_entry){
        .name = {(const char *)h + ENTRY_BYTES, names}, .size = u32(h + 24), .header = u32(h + 42)};
    packed = u32(h + 20);
    if (!read_wide(h + ENTRY_BYTES + names, extras, (uint64_t *const[3]){&e->size, &packed, &e->header}))
        return ckpt_fail(s, SIB_ERR_FORMAT, *at, "entry '%.*s' lacks its 64-bit sizes", READER_STR(e->name));
    if (u16(h + 8) & FLAG_ENCRYPTED)
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, *at, "entry '%.*s' is encrypted", READER_STR(e->name));
    if (u16(h + 10) != 0)
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, *at,
                         "entry '%.*s' is compressed (method %u), expected stored as by PyTorch",
                         READER_STR(e->name), u16(h + 10));
    if (packed != e->size)
        return ckpt_fail(s, SIB_ERR_FORMAT, *at,
                         "entry '%.*s' is stored, but has %llu bytes packed and %llu unpacked",
                         READER_STR(e->name), (unsigned long long)packed, (unsigned long long)e->size);
    *at += ENTRY_BYTES + names + extras + comments;
    return read_local(s, e, d->begin);
}

static int by_header(const void *a, const void *b)
{
    const zip_entry *x = *(const zip_entry *const *)a, *y = *(const zip_entry *const *)b;
    return x->header < y->header ? -1 : x->header > y->header;
}

static sib_code check_overlap(ckpt_file *s, const zip_directory *d)
{
    const zip_entry **order = mem_alloc(d->n, sizeof *order);
    sib_code code = SIB_OK;
    if (!order)
        return err_memory(s->err, d->n * sizeof *order, "the order of a zip archive");
    for (size_t i = 0; i < d->n; i++)
        order[i] = &d->entries[i];
    qsort(order, d->n, sizeof *order, by_header);
    for (size_t i = 1; i < d->n && code == SIB_OK; i++)
        if (order[i]->header < order[i - 1]->offset + order[i - 1]->size)
            code = ckpt_fail(s, SIB_ERR_FORMAT, order[i]->header, "entry '%.*s' overlaps entry '%.*s'",
                             READER_STR(order[i]->name), READER_STR(order[i - 1]->name));
    mem_free(order);
    return code;
}

sib_code zip_open_directory(ckpt_file *s, zip_directory *out)
{
    span64 d = {0};
    uint32_t other;
    *out = (zip_directory){0};
    sib_code code = find_directory(s, &d);
    if (code != SIB_OK)
        return code;
    out->entries = mem_alloc((size_t)d.n, sizeof *out->entries);
    if (!out->entries)
        return err_memory(s->err, (size_t)d.n * sizeof *out->entries, "the directory of a zip archive");
    uint64_t at = d.begin;
    for (; out->n < d.n && code == SIB_OK; out->n++) {
        zip_entry *e = &out->entries[out->n];
        code = read_entry(s, &d, &at, e);
        if (code != SIB_OK)
            break;
        if (name_map_find(&out->names, e->name, &other))
            return ckpt_fail(s, SIB_ERR_FORMAT, e->header, "entry '%.*s' occurs twice in the zip archive",
                             READER_STR(e->name));
        if (!name_map_put(&out->names, e->name, (uint32_t)out->n))
            code = err_memory(s->err, sizeof *e, "the directory of a zip archive");
    }
    return code == SIB_OK ? check_overlap(s, out) : code;
}

void zip_close_directory(zip_directory *d)
{
    mem_free(d->entries);
    name_map_clear(&d->names);
    *d = (zip_directory){0};
}

const zip_entry *zip_find(const zip_directory *d, sib_str name)
{
    uint32_t i;
    return name_map_find(&d->names, name, &i) ? &d->entries[i] : NULL;
}
