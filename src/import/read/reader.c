#include "import/read/reader.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/size.h"
#include "tensor/shape.h"
#include "tensor/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names in files may be any bytes: invalid UTF-8 and terminal control characters become '?'. */
static void clean_text(char *text)
{
    size_t n = strlen(text), size;
    uint32_t character;
    for (size_t i = 0; i < n; i += size) {
        size = utf8_read(text + i, n - i, &character);
        if (size == 0 || character < ' ' || (character >= 0x7F && character < 0xA0)) {
            memset(text + i, '?', size ? size : 1);
            size = size ? size : 1;
        }
    }
}

sib_code(ckpt_fail)(ckpt_file *s, sib_code code, uint64_t at, const char *format, ...)
{
    char text[sizeof s->err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    clean_text(text);
    return err_set_at(s->err, code, at, "%s: %s", s->path, text);
}

/* ---- Bytes ---------------------------------------------------------------------------------------- */

sib_code ckpt_take(ckpt_file *s, uint64_t *at, uint64_t n, const char *what, byte_span *out)
{
    if (*at > s->bytes.size || n > s->bytes.size - *at)
        return ckpt_fail(s, SIB_ERR_FORMAT, *at, "%s: expected %llu bytes, found %llu", what,
                         (unsigned long long)n,
                         (unsigned long long)(*at > s->bytes.size ? 0 : s->bytes.size - *at));
    *out = (byte_span){s->bytes.data + *at, (size_t)n};
    *at += n;
    return SIB_OK;
}

static sib_code take_number(ckpt_file *s, uint64_t *at, unsigned n, const char *what, uint64_t *out)
{
    byte_span b = {0};
    sib_code code = ckpt_take(s, at, n, what, &b);
    *out = 0;
    for (unsigned i = 0; code == SIB_OK && i < n; i++)
        *out |= (uint64_t)b.data[i] << (8 * i);
    return code;
}

sib_code ckpt_u32(ckpt_file *s, uint64_t *at, const char *what, uint32_t *out)
{
    uint64_t v;
    sib_code code = take_number(s, at, 4, what, &v);
    *out = (uint32_t)v;
    return code;
}

sib_code ckpt_i32(ckpt_file *s, uint64_t *at, const char *what, int32_t *out)
{
    uint32_t v;
    sib_code code = ckpt_u32(s, at, what, &v);
    *out = (int32_t)v;
    return code;
}

sib_code ckpt_u64(ckpt_file *s, uint64_t *at, const char *what, uint64_t *out)
{
    return take_number(s, at, 8, what, out);
}

sib_code ckpt_keep(ckpt_file *s, sib_str text, sib_str *out)
{
    bool ok = true;
    *out = arena_string(s->c->arena, text, &ok);
    return ok ? SIB_OK : err_memory(s->err, text.length, "a string of a checkpoint");
}

/* ---- Names ---------------------------------------------------------------------------------------- */

static bool is_utf8(sib_str name)
{
    uint32_t character;
    for (size_t i = 0, n; i < name.length; i += n)
        if (!(n = utf8_read(name.data + i, name.length - i, &character)))
            return false;
    return true;
}

static sib_code check_name(ckpt_file *s, sib_str name, const char *what, uint64_t at)
{
    if (name.length == 0 || name.length > READER_MAX_NAME)
        return ckpt_fail(s, SIB_ERR_FORMAT, at, "a name of a %s has %zu bytes, expected 1 to %d", what,
                         name.length, READER_MAX_NAME);
    if (memchr(name.data, 0, name.length) || !is_utf8(name))
        return ckpt_fail(s, SIB_ERR_FORMAT, at, "the name '%.*s' of a %s is not UTF-8 or has zero bytes",
                         READER_STR(name), what);
    s->c->name_bytes += name.length;
    if (s->c->name_bytes > READER_MAX_NAMES)
        return ckpt_fail(s, SIB_ERR_SIZE, at, "names and keys have more than %u bytes", READER_MAX_NAMES);
    return SIB_OK;
}

/* ---- Weights -------------------------------------------------------------------------------------- */

/* Bytes from the first to the last strided element. */
static bool strided_bytes(const weight *w, uint64_t count, uint64_t *bytes)
{
    int64_t last = 0, reach;
    for (size_t i = 0; count && i < w->rank; i++)
        if (w->strides[i] < 0 || !i64_mul(w->dims[i] - 1, w->strides[i], &reach) ||
            !i64_add(last, reach, &last))
            return false;
    if (!i64_add(last, count != 0, &last) || !i64_mul(last, w->format->bytes, &last))
        return false;
    *bytes = (uint64_t)last;
    return true;
}

static sib_code check_weight(ckpt_file *s, const weight *w, uint64_t size, uint64_t at)
{
    uint64_t count, bytes;
    char dims[SHAPE_TEXT];
    if (shape_count(w->rank, w->dims, &count, NULL) != SIB_OK)
        return ckpt_fail(s, SIB_ERR_FORMAT, at, "weight '%.*s': dims %s are negative or too large",
                         READER_STR(w->name), shape_text(w->rank, w->dims, dims));
    bool fits = w->strided ? w->format->block == 1 && strided_bytes(w, count, &bytes)
                           : weight_format_bytes(w->format, w->rank, w->dims, &bytes);
    if (!fits)
        return ckpt_fail(s, SIB_ERR_FORMAT, at,
                         "weight '%.*s': dims %s do not fit in memory or in blocks of %u as %s has them",
                         READER_STR(w->name), shape_text(w->rank, w->dims, dims), w->format->block,
                         w->format->name);
    if (bytes != size)
        return ckpt_fail(s, SIB_ERR_FORMAT, at, "weight '%.*s': %llu bytes, expected %llu for %s %s",
                         READER_STR(w->name), (unsigned long long)size, (unsigned long long)bytes,
                         w->format->name, shape_text(w->rank, w->dims, dims));
    if (w->offset > s->bytes.size || size > s->bytes.size - w->offset)
        return ckpt_fail(s, SIB_ERR_FORMAT, at,
                         "weight '%.*s' is at bytes %llu to %llu, but the file has %zu", READER_STR(w->name),
                         (unsigned long long)w->offset, (unsigned long long)(w->offset + size),
                         s->bytes.size);
    return SIB_OK;
}

sib_code ckpt_weight(ckpt_file *s, sib_str name, const weight_format *format, size_t rank,
                     const int64_t *dims, const int64_t *strides, uint64_t offset, uint64_t size, uint64_t at)
{
    checkpoint *c = s->c;
    weight w = {
        .name = name, .format = format, .rank = rank, .offset = offset, .size = size, .file = s->file};
    uint32_t other;
    sib_code code = check_name(s, name, "weight", at);
    if (code != SIB_OK)
        return code;
    if (rank > SIB_MAX_RANK)
        return ckpt_fail(s, SIB_ERR_UNSUPPORTED, at, "weight '%.*s' has %zu dims, expected at most %d",
                         READER_STR(name), rank, SIB_MAX_RANK);
    if (rank)
        memcpy(w.dims, dims, rank * sizeof *dims);
    w.strided = strides && !shape_is_dense(rank, dims, strides);
    if (w.strided)
        memcpy(w.strides, strides, rank * sizeof *strides);
    else if (shape_count(rank, w.dims, &(uint64_t){0}, NULL) == SIB_OK)
        shape_dense_strides(rank, w.dims, w.strides);
    code = check_weight(s, &w, size, at);
    if (code != SIB_OK)
        return code;
    w.data = s->bytes.data + offset;
    if (name_map_find(&c->weight_names, name, &other))
        return ckpt_fail(s, SIB_ERR_FORMAT, at, "weight '%.*s' occurs twice, first in %s", READER_STR(name),
                         c->files[c->weights[other].file].path);
    if (c->n_weights >= UINT32_MAX / 2)
        return ckpt_fail(s, SIB_ERR_SIZE, at, "there are more than %zu weights", c->n_weights);
    code = ckpt_keep(s, name, &w.name);
    if (code != SIB_OK)
        return code;
    if (ARRAY_RESERVE(c->weights, c->weights_capacity, c->n_weights + 1, "a checkpoint", NULL) != SIB_OK ||
        !name_map_put(&c->weight_names, w.name, (uint32_t)c->n_weights))
        return err_memory(s->err, sizeof w, "a weight of a checkpoint");
    c->weights[c->n_weights++] = w;
    return SIB_OK;
}

static int by_offset(const void *a, const void *b)
{
    const weight *x = *(const weight *const *)a, *y = *(const weight *const *)b;
    uint64_t x_end = x->offset + x->size, y_end = y->offset + y->size;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x_end < y_end ? -1 : x_end > y_end;
}

sib_code ckpt_check_ranges(ckpt_file *s, uint64_t begin, bool gapless)
{
    size_t n = s->c->n_weights - s->first_weight;
    const weight **order = mem_alloc(n, sizeof *order);
    if (!order)
        return err_memory(s->err, n * sizeof *order, "the order of weights");
    for (size_t i = 0; i < n; i++)
        order[i] = &s->c->weights[s->first_weight + i];
    qsort(order, n, sizeof *order, by_offset);
    sib_code code = SIB_OK;
    uint64_t end = begin;
    for (size_t i = 0; i < n && code == SIB_OK; i++) {
        const weight *w = order[i];
        if (w->offset < end)
            code = i ? ckpt_fail(s, SIB_ERR_FORMAT, w->offset,
                                 "the bytes of weight '%.*s' overlap those of '%.*s'", READER_STR(w->name),
                                 READER_STR(order[i - 1]->name))
                     : ckpt_fail(s, SIB_ERR_FORMAT, w->offset,
                                 "weight '%.*s' begins before byte %llu, where weights begin",
                                 READER_STR(w->name), (unsigned long long)begin);
        else if (gapless && w->offset > end)
            code = ckpt_fail(s, SIB_ERR_FORMAT, end, "%llu bytes before weight '%.*s' belong to no weight",
                             (unsigned long long)(w->offset - end), READER_STR(w->name));
        end = w->offset + w->size;
    }
    if (code == SIB_OK && gapless && end != s->bytes.size)
        code = ckpt_fail(s, SIB_ERR_FORMAT, end, "%llu bytes after the last weight belong to no weight",
                         (unsigned long long)(s->bytes.size - end));
    mem_free(order);
    return code;
}

/* ---- Facts ---------------------------------------------------------------------------------------- */

static const size_t fact_bytes[] = {
    [FACT_INT] = sizeof(int64_t),
    [FACT_FLOAT] = sizeof(double),
    [FACT_BOOL] = sizeof(bool),
    [FACT_STRING] = sizeof(sib_str),
};

sib_code ckpt_fact(ckpt_file *s, sib_str key, fact_kind kind, bool list, size_t n, uint64_t at, void **items)
{
    checkpoint *c = s->c;
    fact f = {.kind = kind, .list = list, .n = n};
    uint32_t other;
    sib_code code = check_name(s, key, "fact", at);
    if (code != SIB_OK)
        return code;
    *items = arena_alloc(c->arena, n, fact_bytes[kind]);
    if (!*items)
        return err_memory(s->err, n * fact_bytes[kind], "a fact of a checkpoint");
    if (name_map_find(&c->fact_names, key, &other)) {
        if (other < s->first_fact) /* an earlier file's fact is kept */
            return SIB_OK;
        return ckpt_fail(s, SIB_ERR_FORMAT, at, "the key '%.*s' occurs twice", READER_STR(key));
    }
    if (c->n_facts >= UINT32_MAX / 2)
        return ckpt_fail(s, SIB_ERR_SIZE, at, "there are more than %zu keys", c->n_facts);
    code = ckpt_keep(s, key, &f.key);
    if (code != SIB_OK)
        return code;
    f.ints = *items;
    if (ARRAY_RESERVE(c->facts, c->facts_capacity, c->n_facts + 1, "a checkpoint", NULL) != SIB_OK ||
        !name_map_put(&c->fact_names, f.key, (uint32_t)c->n_facts))
        return err_memory(s->err, sizeof f, "a fact of a checkpoint");
    c->facts[c->n_facts++] = f;
    return SIB_OK;
}

sib_code ckpt_fact_int(ckpt_file *s, sib_str key, int64_t value, uint64_t at)
{
    void *item;
    sib_code code = ckpt_fact(s, key, FACT_INT, false, 1, at, &item);
    if (code == SIB_OK)
        *(int64_t *)item = value;
    return code;
}
