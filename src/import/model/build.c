#include "import/model/build_values.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "import/read/beside.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Max number of metadata entries of a recipe. */
#define PAIRS_MAX 64

sib_code build_begin(build *b, const checkpoint *c, sib_import_report *report, import_work *work,
                     sib_error *err)
{
    const sib_import_options *o = work->options;
    *b = (build){.c = c, .report = report, .work = work, .prefix = "", .scope = "", .err = err};
    b->dtype = o->dtype ? o->dtype : SIB_F32;
    b->keep = o->keep;
    b->opset = o->opset ? o->opset : BUILD_OPSET_LAST;
    b->seen = NO_VALUE;
    b->sources.work = work;
    b->m = mem_calloc(1, sizeof *b->m);
    b->taken = mem_calloc(checkpoint_weights(c) + 1, sizeof *b->taken);
    b->code = b->m && b->taken ? arena_create(&b->m->arena, err) : err_memory(err, sizeof *b->m, "a model");
    if (b->code == SIB_OK)
        b->code = dim_table_create(&b->m->dims, err);
    if (b->code == SIB_OK)
        b->code = graph_create(b->m->arena, b->m->dims, &b->m->graph, err);
    if (b->code != SIB_OK) {
        sib_code code = b->code;
        build_end(b);
        return code;
    }
    onnx_model *m = b->m;
    b->g = m->graph;
    m->ir_version = onnx_ir_version(b->opset);
    m->producer_name = str_of("sibyl");
    m->producer_version = m->domain = m->doc = str_of("");
    m->opsets = arena_alloc(m->arena, 2, sizeof *m->opsets);
    m->metadata = arena_alloc(m->arena, PAIRS_MAX, sizeof *m->metadata);
    if (!m->opsets || !m->metadata)
        return b->code = err_memory(err, sizeof *m->opsets, "a model");
    m->opsets[m->n_opsets++] = (opset_import){str_of(""), b->opset};
    return SIB_OK;
}

void build_end(build *b)
{
    onnx_free(&b->m);
    mem_free(b->sources.items);
    mem_free(b->taken);
    checkpoint_free(&b->other);
    *b = (build){.code = b->code};
}

static bool is_ignored(const char *const *patterns, const char *name)
{
    for (const char *const *p = patterns; p && *p; p++)
        if (fnmatch(*p, name, 0) == 0)
            return true;
    return false;
}

static void report_unknown(build *b, const char *name)
{
    b->code =
        report_add(b->report, SIB_IMPORT_UNEXPECTED, name, b->err, "%s: is not known to the recipe", name);
}

void build_finish(build *b)
{
    for (size_t i = 0; i < checkpoint_weights(b->c) && b->code == SIB_OK; i++) {
        sib_import_weight *w = &b->report->weights[i];
        w->used = b->taken[i];
        if (!b->taken[i] && !is_ignored(b->ignored, w->name))
            report_unknown(b, w->name);
    }
}

void build_fail(build *b, sib_code code, const char *format, ...)
{
    char text[SIB_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (b->code == SIB_OK)
        b->code = err_set(b->err, code, "%s", text);
}

static sib_str text_of(build *b, const char *format, va_list args)
{
    char text[BUILD_NAME_BYTES];
    bool ok = b->code == SIB_OK;
    vsnprintf(text, sizeof text, format, args);
    sib_str s = ok ? arena_string(b->m->arena, str_of(text), &ok) : str_of("");
    if (!ok && b->code == SIB_OK)
        b->code = err_memory(b->err, strlen(text), "a name");
    return ok && s.length ? s : str_of("");
}

const char *build_text(build *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sib_str s = text_of(b, format, args);
    va_end(args);
    return s.data;
}

void build_scope(build *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    b->scope = text_of(b, format, args).data;
    va_end(args);
}

void build_add_metadata(build *b, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    sib_str text = text_of(b, format, args);
    va_end(args);
    if (b->code == SIB_OK && b->m->n_metadata < PAIRS_MAX)
        b->m->metadata[b->m->n_metadata++] = (string_pair){str_of(build_text(b, "%s", key)), text};
}

void build_add_metadata_text(build *b, const char *key, sib_str text)
{
    bool ok = b->code == SIB_OK;
    sib_str copy = ok ? arena_string(b->m->arena, text, &ok) : text;
    if (!ok && b->code == SIB_OK)
        b->code = err_memory(b->err, text.length, "metadata");
    if (ok && b->m->n_metadata < PAIRS_MAX)
        b->m->metadata[b->m->n_metadata++] = (string_pair){str_of(build_text(b, "%s", key)), copy};
}

void build_add_metadata_int(build *b, const char *key, int64_t number)
{
    build_add_metadata(b, key, "%lld", (long long)number);
}

int64_t build_metadata_int(const build *b, const char *key, int64_t otherwise)
{
    for (size_t i = 0; i < b->m->n_metadata; i++) {
        const string_pair *p = &b->m->metadata[i]; /* texts of build_text end with a NUL */
        if (!strncmp(p->key.data, key, p->key.length) && !key[p->key.length])
            return strtoll(p->value.data, NULL, 10);
    }
    return otherwise;
}

sib_str build_fact_text(const build *b, const char *key, const char *otherwise)
{
    const fact *f = checkpoint_fact(b->c, key);
    return f && f->kind == FACT_STRING && !f->list ? f->strings[0] : str_of(otherwise);
}

bool build_fact_bool(const build *b, const char *key, bool otherwise)
{
    const fact *f = checkpoint_fact(b->c, key);
    return f && f->kind == FACT_BOOL && !f->list ? f->bools[0] : otherwise;
}

int64_t build_fact_int(build *b, const char *key, int64_t otherwise, int64_t min, int64_t max)
{
    const int64_t n = checkpoint_int(b->c, key, otherwise);
    if (n < min || n > max)
        build_fail(b, SIB_ERR_UNSUPPORTED, "%s: %s is %lld, expected from %lld to %lld",
                   checkpoint_file(b->c, 0), key, (long long)n, (long long)min, (long long)max);
    return n;
}

checkpoint *build_open_beside(build *b, const char *name)
{
    checkpoint *out = NULL;
    char *path = NULL;
    if (b->code == SIB_OK)
        b->code = beside_path(b->c, name, &path, b->err);
    if (path)
        b->code = checkpoint_open((const char *const[]){path}, 1, &out, b->err);
    mem_free(path);
    return out;
}

void build_enter_checkpoint(build *b, checkpoint *c)
{
    SIB_ASSERT(!b->other);
    b->other = c;
    b->main = b->c;
    b->main_taken = b->taken;
    b->c = c;
    b->taken = mem_calloc(checkpoint_weights(c) + 1, sizeof *b->taken);
    if (!b->taken && b->code == SIB_OK)
        b->code = err_memory(b->err, checkpoint_weights(c), "a list of weights");
}

void build_leave_checkpoint(build *b, const char *const *patterns)
{
    for (size_t i = 0; i < checkpoint_weights(b->c) && b->code == SIB_OK; i++) {
        const char *name = checkpoint_weight(b->c, i)->name.data;
        if (!b->taken[i] && !is_ignored(patterns, name))
            report_unknown(b, name);
    }
    mem_free(b->taken);
    b->c = b->main;
    b->taken = b->main_taken;
}

struct json_t *build_beside(build *b, const char *name)
{
    struct json_t *out = NULL;
    char *path = NULL;
    if (b->code == SIB_OK)
        b->code = beside_path(b->c, name, &path, b->err);
    if (path)
        b->code = beside_json(path, &out, b->err);
    mem_free(path);
    return out;
}
