#include "onnx/reader.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void reader_init(reader *r, const sib_open_options *options, sib_error *err)
{
    static const sib_open_options none;
    const sib_open_options *o = options ? options : &none;
    memset(r, 0, sizeof *r);
    r->label = "the model";
    r->max_depth = o->max_depth ? o->max_depth : READER_DEFAULT_DEPTH;
    if (r->max_depth > READER_MAX_DEPTH)
        r->max_depth = READER_MAX_DEPTH;
    r->max_nodes = o->max_nodes;
    r->max_bytes = o->max_bytes;
    r->max_graph_bytes = o->max_graph_bytes;
    r->external_anywhere = o->external_anywhere;
    r->err = err;
}

void reader_clear(reader *r)
{
    for (size_t i = 0; i < r->n_externals; i++)
        mapping_release(r->externals[i].file);
    mem_free(r->folder);
    name_map_clear(&r->function_names);
    name_map_clear(&r->taken);
    name_map_clear(&r->missing);
    arena_free(&r->scratch);
    mapping_release(r->file);
    memset(r, 0, sizeof *r);
}

sib_code(reader_fail)(reader *r, sib_code code, const uint8_t *at, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    uint64_t offset = SIB_NO_OFFSET;
    if (at && r->file) {
        uintptr_t begin = (uintptr_t)r->file->bytes.data, place = (uintptr_t)at;
        if (place >= begin && place - begin <= r->file->bytes.size)
            offset = place - begin;
    }
    return err_set_at(r->err, code, offset, "%s: %s", r->label, text);
}

sib_code(reader_memory)(reader *r, size_t bytes, const char *what)
{
    return err_memory(r->err, bytes, what);
}

sib_code reader_end(reader *r, const wire_reader *w)
{
    return w->failed_at ? reader_fail(r, SIB_ERR_FORMAT, w->failed_at, "%s", w->failure) : SIB_OK;
}

bool reader_room(graph_arena *a, void *items, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return true;
    void *old, *grown = arena_alloc(a, *capacity ? *capacity * 2 : 8, size);
    if (!grown)
        return false;
    memcpy(&old, items, sizeof old);
    if (n)
        memcpy(grown, old, n * size);
    memcpy(items, &grown, sizeof grown);
    *capacity = *capacity ? *capacity * 2 : 8;
    return true;
}

void reader_notice(reader *r, const char *format, ...)
{
    onnx_model *m = r->model;
    if (!m || m->n_diagnostics >= READER_MAX_DIAGNOSTICS)
        return;
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bool ok = reader_room(r->arena, &m->diagnostics, m->n_diagnostics, &r->diagnostic_capacity,
                          sizeof *m->diagnostics);
    sib_str s = ok ? arena_string(r->arena, str_of(text), &ok) : (sib_str){0};
    if (ok)
        m->diagnostics[m->n_diagnostics++] = s;
}

/* Bytes of the file and of all external data opened so far. */
static uint64_t reader_bytes(const reader *r)
{
    uint64_t bytes = r->file ? r->file->bytes.size : 0;
    for (size_t i = 0; i < r->n_externals; i++)
        bytes += r->externals[i].file->bytes.size;
    return bytes;
}

sib_code reader_charge(reader *r, uint64_t bytes, const uint8_t *at)
{
    uint64_t limit = r->max_bytes ? r->max_bytes : READER_BYTES + READER_BYTES_PER_BYTE * reader_bytes(r);
    if (bytes > limit || r->copied > limit - bytes)
        return reader_fail(r, SIB_ERR_SIZE, at,
                           "elements of initializers take more memory than the limit of %llu bytes (raised "
                           "by max_bytes, or --open-memory)",
                           (unsigned long long)limit);
    r->copied += bytes;
    return SIB_OK;
}

sib_code reader_string(reader *r, sib_str s, sib_str *out)
{
    bool ok = true;
    *out = arena_string(r->arena, s, &ok);
    return ok ? SIB_OK : reader_memory(r, s.length, "a string");
}

sib_code reader_pairs(reader *r, size_t n, const string_pair *pairs, string_pair **out)
{
    *out = NULL;
    if (n == 0)
        return SIB_OK;
    string_pair *copy = arena_alloc(r->arena, n, sizeof *copy);
    if (!copy)
        return reader_memory(r, n * sizeof *copy, "metadata");
    for (size_t i = 0; i < n; i++) {
        sib_code code = reader_string(r, pairs[i].key, &copy[i].key);
        if (code == SIB_OK)
            code = reader_string(r, pairs[i].value, &copy[i].value);
        if (code != SIB_OK)
            return code;
    }
    *out = copy;
    return SIB_OK;
}

sib_code props_add(reader *r, onnx_props_of of, const graph *g, uint32_t id, size_t n,
                   const string_pair *pairs)
{
    onnx_model *m = r->model;
    if (n == 0)
        return SIB_OK;
    if (!reader_room(r->arena, &m->props, m->n_props, &r->props_capacity, sizeof *m->props))
        return reader_memory(r, sizeof *m->props, "metadata");
    onnx_props *p = &m->props[m->n_props];
    *p = (onnx_props){.of = of, .graph = g, .id = id, .n = n};
    sib_code code = reader_pairs(r, n, pairs, &p->pairs);
    if (code == SIB_OK)
        m->n_props++;
    return code;
}
