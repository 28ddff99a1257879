#include "import/model/build.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"

#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 512
/* Max number of metadata entries of a recipe. */
#define PAIRS_MAX 64

/* ---- Begin and end ------------------------------------------------------------------------------------- */

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
    *b = (build){.code = b->code};
}

static bool is_ignored(const build *b, const char *name)
{
    for (const char *const *p = b->ignored; p && *p; p++)
        if (fnmatch(*p, name, 0) == 0)
            return true;
    return false;
}

void build_finish(build *b)
{
    for (size_t i = 0; i < checkpoint_weights(b->c) && b->code == SIB_OK; i++) {
        sib_import_weight *w = &b->report->weights[i];
        w->used = b->taken[i];
        if (!b->taken[i] && !is_ignored(b, w->name))
            b->code = report_add(b->report, SIB_IMPORT_UNEXPECTED, w->name, b->err,
                                 "%s: is not known to the recipe", w->name);
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
    char text[NAME_MAX_BYTES];
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

/* ---- The checkpoint ------------------------------------------------------------------------------------ */

/* The checkpoint's name for a recipe's name. Returns false where it does not fit. */
static bool translate(const build *b, const char *name, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%s", b->prefix);
    while (*name && used < size) {
        const build_rename *r = b->renames;
        while (r && r->from && strncmp(name, r->from, strlen(r->from)))
            r++;
        if (r && r->from) {
            used += (size_t)snprintf(out + used, size - used, "%s", r->to);
            name += strlen(r->from);
        } else {
            out[used++] = *name++;
        }
    }
    if (used >= size)
        return false;
    out[used] = 0;
    return true;
}

static bool find_index(const build *b, const char *name, char *theirs, size_t size, size_t *index)
{
    const weight *w = translate(b, name, theirs, size) ? checkpoint_find(b->c, theirs) : NULL;
    for (size_t i = 0; w && i < checkpoint_weights(b->c); i++)
        if (checkpoint_weight(b->c, i) == w) {
            *index = i;
            return true;
        }
    return false;
}

const weight *build_find(const build *b, const char *name)
{
    char theirs[NAME_MAX_BYTES];
    return translate(b, name, theirs, sizeof theirs) ? checkpoint_find(b->c, theirs) : NULL;
}

static void report_missing(build *b, const char *name)
{
    char theirs[NAME_MAX_BYTES];
    if (!translate(b, name, theirs, sizeof theirs))
        snprintf(theirs, sizeof theirs, "%s", name);
    for (size_t i = 0; i < b->report->n_problems; i++) /* reported once */
        if (b->report->problems[i].fault == SIB_IMPORT_MISSING &&
            !strcmp(b->report->problems[i].name, theirs))
            return;
    if (b->code == SIB_OK)
        b->code = report_add(b->report, SIB_IMPORT_MISSING, theirs, b->err, "%s: is missing", theirs);
}

int64_t build_dim(build *b, const char *name, size_t i)
{
    const weight *w = build_find(b, name);
    if (!w)
        report_missing(b, name);
    return w && i < w->rank ? w->dims[i] : 0;
}

int64_t build_other_dim(build *b, const char *name, int64_t n)
{
    const weight *w = build_find(b, name);
    if (!w)
        report_missing(b, name);
    if (!w || w->rank < 2)
        return 0;
    int64_t rows = w->dims[w->rank - 2], columns = w->dims[w->rank - 1];
    return rows == n ? columns : rows; /* build_weight reports it where neither dim is n */
}

int64_t build_count(const build *b, const char *before, const char *after)
{
    int64_t n = 0;
    for (char name[NAME_MAX_BYTES];; n++) {
        snprintf(name, sizeof name, "%s%lld%s", before, (long long)n, after);
        if (!build_find(b, name))
            return n;
    }
}

/* True where the dims are the same apart from dims of 1. */
static bool same_dims(const weight *w, size_t rank, const int64_t *dims)
{
    size_t i = 0, k = 0;
    while (i < w->rank || k < rank) {
        if (i < w->rank && k < rank && w->dims[i] == dims[k]) {
            i++;
            k++;
        } else if (i < w->rank && w->dims[i] == 1)
            i++;
        else if (k < rank && dims[k] == 1)
            k++;
        else
            return false;
    }
    return true;
}

static const char *dims_text(size_t rank, const int64_t *dims, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "[");
    for (size_t i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? ", " : "", (long long)dims[i]);
    if (used < size)
        snprintf(text + used, size - used, "]");
    return text;
}

/* Part i of w along its first axis, of `rank` dims; NULL where it has none. */
static const weight *part_of(build *b, const weight *w, size_t rank, int64_t i)
{
    if (w->rank != rank + 1 || i < 0 || i >= w->dims[0])
        return NULL;
    weight *part = arena_alloc(b->m->arena, 1, sizeof *part);
    if (!part) {
        b->code = err_memory(b->err, sizeof *part, "a part of a weight");
        return NULL;
    }
    *part = *w;
    part->rank = rank;
    memmove(part->dims, w->dims + 1, rank * sizeof *part->dims);
    memmove(part->strides, w->strides + 1, rank * sizeof *part->strides);
    uint64_t before = w->size / (uint64_t)w->dims[0] * (uint64_t)i;
    if (w->strided)
        before = (uint64_t)(w->strides[0] * i) * w->format->bytes;
    part->data += before;
    part->offset += before;
    part->size = w->strided ? w->size - before : w->size / (uint64_t)w->dims[0];
    return part;
}

/* Marks the weight as used; NULL, with a problem in the report, where it is missing or of other dims. */
static const weight *take(build *b, const char *name, size_t rank, const int64_t *dims)
{
    char theirs[NAME_MAX_BYTES], have[200], want[200];
    const char *part = strrchr(name, '#');
    size_t i;
    if (b->code != SIB_OK)
        return NULL;
    if (part)
        name = build_text(b, "%.*s", (int)(part - name), name);
    if (!find_index(b, name, theirs, sizeof theirs, &i)) {
        report_missing(b, name);
        return NULL;
    }
    const weight *w = checkpoint_weight(b->c, i),
                 *of = part ? part_of(b, w, rank, strtoll(part + 1, NULL, 10)) : w;
    b->taken[i] = true;
    if ((!part || of) && same_dims(of, rank, dims))
        return of;
    if (b->code != SIB_OK)
        return NULL;
    b->code =
        report_add(b->report, SIB_IMPORT_SHAPE, theirs, b->err, "%s: is %s, expected %s", theirs,
                   dims_text(w->rank, w->dims, have, sizeof have), dims_text(rank, dims, want, sizeof want));
    return NULL;
}

/* ---- Values -------------------------------------------------------------------------------------------- */

/* A dim from one word: numbers and symbols joined by "+". */
static dim dim_of(dim_table *t, char *word)
{
    char *state = NULL;
    dim sum = dim_const(t, 0);
    for (char *part = strtok_r(word, "+", &state); part; part = strtok_r(NULL, "+", &state)) {
        bool number = *part >= '0' && *part <= '9';
        sum = dim_add(t, sum, number ? dim_const(t, strtoll(part, NULL, 10)) : dim_symbol(t, str_of(part)));
    }
    return sum;
}

static value_type parse_type(build *b, sib_dtype dtype, const char *format, va_list args)
{
    char words[300], *state = NULL;
    value_type type = type_tensor(dtype);
    type.shape.ranked = true;
    vsnprintf(words, sizeof words, format, args);
    for (char *w = strtok_r(words, " ", &state); w && type.shape.rank < SIB_MAX_RANK;
         w = strtok_r(NULL, " ", &state)) {
        type.shape.dims[type.shape.rank] = dim_of(b->m->dims, w);
        if (!type.shape.dims[type.shape.rank++].id)
            build_fail(b, SIB_ERR_MEMORY, "no memory for dims");
    }
    return type;
}

static value_id new_value(build *b, const char *name, const value_type *type)
{
    value_id v = NO_VALUE;
    if (b->code == SIB_OK)
        b->code = graph_add_value(b->g, str_of(name), type, &v, b->err);
    if (b->code == SIB_OK && type)
        b->g->values[v].declared = *type;
    return b->code == SIB_OK ? v : NO_VALUE;
}

value_id build_input(build *b, const char *name, sib_dtype dtype, const char *dims, ...)
{
    va_list args;
    va_start(args, dims);
    value_type type = parse_type(b, dtype, dims, args);
    va_end(args);
    value_id v = new_value(b, name, &type);
    if (b->code == SIB_OK)
        b->code = graph_add_input(b->g, v, b->err);
    return v;
}

void build_output(build *b, value_id x, const char *name, sib_dtype dtype, const char *dims, ...)
{
    va_list args;
    va_start(args, dims);
    value_type type = parse_type(b, dtype, dims, args);
    va_end(args);
    bool ok = true;
    if (b->code != SIB_OK || x == NO_VALUE)
        return;
    value *v = &b->g->values[x];
    v->name = arena_string(b->m->arena, str_of(name), &ok);
    v->type = v->declared = type;
    b->code = ok ? graph_add_output(b->g, x, b->err) : err_memory(b->err, strlen(name), "a name");
}

/* A unique name "<scope>/what_7". */
static const char *fresh_name(build *b, const char *what)
{
    return build_text(b, "%s%s%s_%u", b->scope, *b->scope ? "/" : "", what, b->n_names++);
}

/* Takes t over. */
static value_id constant(build *b, const char *name, sib_tensor *t)
{
    sib_code kept = b->code == SIB_OK ? arena_keep(b->m->arena, t, b->err) : SIB_ERR_MEMORY;
    if (b->code != SIB_OK)
        sib_tensor_free(&t);
    else
        b->code = kept;
    if (b->code != SIB_OK)
        return NO_VALUE;
    value_type type = type_of_dims(b->m->dims, sib_tensor_dtype(t), sib_tensor_rank(t), sib_tensor_dims(t));
    value_id v = new_value(b, name, &type);
    if (v != NO_VALUE) {
        b->g->values[v].constant = t;
        b->g->values[v].from_file = true;
        b->m->parameters += sib_tensor_count(t);
    }
    return v;
}

static value_id constant_of(build *b, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims,
                            const void *elements)
{
    sib_tensor *t = NULL;
    if (b->code == SIB_OK)
        b->code = sib_tensor_create(dtype, rank, dims, &t, b->err);
    if (b->code != SIB_OK)
        return NO_VALUE;
    const size_t n = (size_t)sib_tensor_count(t);
    SIB_ASSERT(elements || n == 0);
    if (n > 0)
        memcpy(sib_tensor_data(t), elements, n * (sib_dtype_bits(dtype) / 8));
    return constant(b, name, t);
}

value_id build_ints(build *b, size_t n, const int64_t *ints)
{
    return constant_of(b, fresh_name(b, "ints"), SIB_I64, 1, &(int64_t){(int64_t)n}, ints);
}

value_id build_int(build *b, int64_t number)
{
    return build_ints(b, 1, &number);
}

value_id build_scalar_int(build *b, int64_t number)
{
    return constant_of(b, fresh_name(b, "int"), SIB_I64, 0, NULL, &number);
}

value_id build_floats(build *b, size_t n, const float *floats)
{
    return constant_of(b, fresh_name(b, "floats"), SIB_F32, 1, &(int64_t){(int64_t)n}, floats);
}

value_id build_float(build *b, double number)
{
    return constant_of(b, fresh_name(b, "float"), SIB_F32, 0, NULL, &(float){(float)number});
}

/* ---- Weights ------------------------------------------------------------------------------------------- */

static sib_code add_source(build *b, const source *s)
{
    source_list *l = &b->sources;
    return ARRAY_PUSH(l->items, l->n, l->capacity, "a list of weights", b->err, *s);
}

/* The value of s in the model: its elements at once where they are in the .onnx, or later where next to
   it. */
static value_id source_value(build *b, const char *name, source *s, size_t rank, const int64_t *dims)
{
    sib_tensor *t = NULL;
    uint64_t bytes = 0;
    if (b->code == SIB_OK)
        b->code = source_tensor(s->dtype, rank, dims, &t, b->err);
    if (b->code == SIB_OK)
        bytes = sib_tensor_count(t) * (sib_dtype_bits(s->dtype) / 8);
    if (b->code == SIB_OK && bytes >= ONNX_EXTERNAL_FROM && s->from) {
        s->tensor = t;
        s->name = name;
        b->code = add_source(b, s);
        b->work->total += bytes;
    } else if (b->code == SIB_OK && s->from) {
        sib_tensor_free(&t);
        b->code = sib_tensor_create(s->dtype, rank, dims, &t, b->err);
        if (b->code == SIB_OK)
            b->code = source_read(s, sib_tensor_data(t), b->err);
    }
    if (b->code != SIB_OK) {
        sib_tensor_free(&t);
        return NO_VALUE;
    }
    b->report->bytes_written += bytes;
    return constant(b, name, t);
}

value_id build_weight(build *b, const char *name, size_t rank, const int64_t *dims)
{
    source s = {.from = take(b, name, rank, dims), .dtype = SIB_F32, .rows = 1, .columns = 1};
    for (size_t i = 0; s.from && i < rank; i++)
        s.columns *= dims[i];
    return source_value(b, build_text(b, "%s", name), &s, rank, dims);
}

value_id build_vector(build *b, const char *name, int64_t n)
{
    return build_weight(b, name, 1, &n);
}

value_id build_vector_of_heads(build *b, const char *name, int64_t n, int64_t heads)
{
    source s = {.from = take(b, name, 1, &n), .dtype = SIB_F32, .rows = n, .columns = 1, .heads = heads};
    return source_value(b, build_text(b, "%s", name), &s, 1, &n);
}

value_id build_heads(build *b, const char *name, int64_t heads, int64_t size, int64_t permuted)
{
    const int64_t dims[] = {heads, size};
    source s = {.from = take(b, name, 2, dims),
                .dtype = SIB_F32,
                .rows = heads * size,
                .columns = 1,
                .heads = permuted};
    return source_value(b, build_text(b, "%s", name), &s, 2, dims);
}

/* The scales of s as a constant [n], which are also set in s. */
static value_id scales_of(build *b, const char *name, source *s)
{
    int64_t n = s->scaled_columns ? s->columns : s->rows;
    float *scales = b->code == SIB_OK ? arena_alloc(b->m->arena, (size_t)n + 1, sizeof *scales) : NULL;
    if (b->code == SIB_OK && !scales)
        b->code = err_memory(b->err, (size_t)n * sizeof *scales, "scales");
    if (b->code == SIB_OK && s->from) {
        s->name = name;
        b->work->total += (uint64_t)(s->rows * s->columns) * sizeof(float);
        b->code = source_scales(s, b->work, scales, b->err);
    }
    s->scales = scales;
    if (b->code == SIB_OK)
        b->report->bytes_written += (uint64_t)n * sizeof *scales;
    return constant_of(b, build_text(b, "%s.scale", name), SIB_F32, 1, &n, scales);
}

/* Converts weights of a source to float32. axis: of the scales. */
static value_id widen(build *b, const source *s, value_id stored, value_id scale, int64_t axis)
{
    value_id out;
    build_attributes a = build_no_attributes();
    if (s->as_bytes)
        return build_blocks(b, stored, s->from->format->name, axis == 1);
    if (s->dtype == SIB_F32)
        return stored;
    if (s->dtype == SIB_I8) {
        build_set_int(&a, "axis", axis);
        build_node(b, "DequantizeLinear", &a, 2, (value_id[]){stored, scale}, 1, &out);
    } else {
        build_set_int(&a, "to", SIB_F32);
        build_node(b, "Cast", &a, 1, &stored, 1, &out);
    }
    return out;
}

/* Sets the dtype of s, and dims to those of its matrix in the model. Blocks run along the checkpoint's rows, so they can
   stay where products are by these, and no adapter adds to them. dims: [2] as converted. */
static void choose_dtype(const build *b, source *s, bool by_rows, int64_t dims[2])
{
    const weight_format *f = s->from ? s->from->format : NULL;
    s->dtype = b->dtype;
    if (!b->keep || !f)
        return;
    if (f->block > 1 && by_rows && s->from->rank == 2 && !s->from->delta) {
        s->as_bytes = true;
        s->dtype = SIB_U8;
        s->transposed = false;
        s->columns = s->columns / f->block * f->bytes;
        dims[0] = s->rows;
        dims[1] = s->columns;
    } else
        s->dtype = f->dtype == SIB_F16 || f->dtype == SIB_BF16 ? f->dtype : SIB_F32;
}

value_id build_matrix(build *b, const char *name, int64_t in, int64_t out, build_layout layout, int64_t heads)
{
    bool transposed = layout == BUILD_ROWS_OUT;
    const int64_t theirs[] = {transposed ? out : in, transposed ? in : out};
    int64_t ours[] = {in, out};
    const char *words = build_text(b, "%s", name);
    value_id scale = NO_VALUE;
    source s = {.from = take(b, name, 2, theirs),
                .rows = theirs[0],
                .columns = theirs[1],
                .transposed = transposed,
                .heads = heads,
                .scaled_columns = !transposed};
    choose_dtype(b, &s, transposed, ours);
    if (s.dtype == SIB_I8)
        scale = scales_of(b, words, &s);
    return widen(b, &s, source_value(b, words, &s, 2, ours), scale, 1);
}

build_table build_rows_table(build *b, const char *name, int64_t n, int64_t d)
{
    build_table t = {.n = n, .d = d, .scale = NO_VALUE};
    int64_t dims[] = {n, d};
    const char *words = build_text(b, "%s", name);
    source s = {.from = take(b, name, 2, dims), .rows = n, .columns = d};
    choose_dtype(b, &s, true, dims);
    t.dtype = s.dtype;
    t.blocks = s.as_bytes ? s.from->format->name : NULL;
    if (s.dtype == SIB_I8)
        t.scale = scales_of(b, words, &s);
    t.stored = source_value(b, words, &s, 2, dims);
    t.floats = widen(b, &s, t.stored, t.scale, 0);
    return t;
}

/* ---- Nodes --------------------------------------------------------------------------------------------- */

build_attributes build_no_attributes(void)
{
    return (build_attributes){0};
}

static void set(build_attributes *a, attribute one)
{
    if (a->n < sizeof a->items / sizeof *a->items)
        a->items[a->n++] = one;
}

void build_set_int(build_attributes *a, const char *name, int64_t i)
{
    set(a, (attribute){.name = str_of(name), .kind = ATTR_INT, .i = i});
}

void build_set_float(build_attributes *a, const char *name, double f)
{
    set(a, (attribute){.name = str_of(name), .kind = ATTR_FLOAT, .f = (float)f});
}

void build_set_text(build_attributes *a, const char *name, const char *text)
{
    set(a, (attribute){.name = str_of(name), .kind = ATTR_STRING, .s = str_of(text)});
}

void build_set_ints(build_attributes *a, const char *name, size_t n, const int64_t *ints)
{
    set(a, (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = ints});
}

void build_set_graph(build_attributes *a, const char *name, graph *g)
{
    set(a, (attribute){.name = str_of(name), .kind = ATTR_GRAPH, .graph = g});
}

/* Adds a node of a domain in this version. */
static void add_node(build *b, opset_import of, const char *type, const build_attributes *a, size_t n_in,
                     const value_id *in, size_t n_out, value_id *out)
{
    node_id id;
    for (size_t i = 0; i < n_out; i++)
        out[i] = new_value(b, fresh_name(b, type), NULL);
    node n = {.domain = of.domain,
              .type = str_of(type),
              .version = of.version,
              .inputs = {(uint32_t)n_in, (uint32_t *)in},
              .outputs = {(uint32_t)n_out, out},
              .n_attributes = a ? a->n : 0,
              .attributes = a ? (attribute *)a->items : NULL,
              .doc = {"", 0},
              .origin = NO_NODE};
    if (n_out && b->code == SIB_OK)
        n.name = b->g->values[out[0]].name;
    if (b->code == SIB_OK)
        b->code = graph_add_node(b->g, &n, &id, b->err);
    for (size_t i = 0; a && b->code != SIB_OK && i < a->n; i++)
        if (a->items[i].kind == ATTR_GRAPH) { /* owned by nobody else */
            graph *inside = a->items[i].graph;
            graph_free(&inside);
        }
}

void build_node(build *b, const char *type, const build_attributes *a, size_t n_in, const value_id *in,
                size_t n_out, value_id *out)
{
    add_node(b, b->m->opsets[0], type, a, n_in, in, n_out, out);
}

value_id build_blocks(build *b, value_id x, const char *format, bool transposed)
{
    value_id out;
    build_attributes a = build_no_attributes();
    opset_import own = {str_of("ai.sibyl"), 1};
    build_set_text(&a, "format", format);
    build_set_int(&a, "transposed", transposed);
    b->m->opsets[1] = own;
    b->m->n_opsets = 2;
    add_node(b, own, "DequantizeBlocks", &a, 1, &x, 1, &out);
    return out;
}

graph *build_enter(build *b)
{
    graph *g = NULL;
    if (b->code == SIB_OK)
        b->code = graph_create(b->m->arena, b->m->dims, &g, b->err);
    if (b->code != SIB_OK)
        return NULL;
    g->name = str_of(build_text(b, "%s.body", b->scope));
    g->outer = b->g;
    return b->g = g;
}

void build_leave(build *b, graph *inside)
{
    if (inside)
        b->g = inside->outer;
}

value_id build_captured(build *b, value_id outer)
{
    value_id inner = NO_VALUE;
    if (b->code == SIB_OK)
        b->code = graph_capture(b->g, outer, &inner, b->err);
    return b->code == SIB_OK ? inner : NO_VALUE;
}

value_id build_1(build *b, const char *type, value_id x)
{
    value_id out;
    build_node(b, type, NULL, 1, &x, 1, &out);
    return out;
}

value_id build_2(build *b, const char *type, value_id x, value_id y)
{
    value_id out;
    build_node(b, type, NULL, 2, (value_id[]){x, y}, 1, &out);
    return out;
}

value_id build_3(build *b, const char *type, value_id x, value_id y, value_id z)
{
    value_id out;
    build_node(b, type, NULL, 3, (value_id[]){x, y, z}, 1, &out);
    return out;
}

/* A node of one output. */
static value_id with(build *b, const char *type, const build_attributes *a, size_t n_in, const value_id *in)
{
    value_id out;
    build_node(b, type, a, n_in, in, 1, &out);
    return out;
}

value_id build_add(build *b, value_id x, value_id y)
{
    return build_2(b, "Add", x, y);
}

value_id build_mul(build *b, value_id x, value_id y)
{
    return build_2(b, "Mul", x, y);
}

value_id build_sub(build *b, value_id x, value_id y)
{
    return build_2(b, "Sub", x, y);
}

value_id build_cast(build *b, value_id x, sib_dtype to)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "to", to);
    return with(b, "Cast", &a, 1, &x);
}

value_id build_reshape(build *b, value_id x, size_t rank, const int64_t *dims)
{
    return build_2(b, "Reshape", x, build_ints(b, rank, dims));
}

value_id build_transpose(build *b, value_id x, size_t rank, const int64_t *permutation)
{
    build_attributes a = build_no_attributes();
    build_set_ints(&a, "perm", rank, permutation);
    return with(b, "Transpose", &a, 1, &x);
}

value_id build_concat(build *b, int64_t axis, size_t n, const value_id *parts)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", axis);
    return with(b, "Concat", &a, n, parts);
}

void build_split(build *b, value_id x, int64_t axis, size_t n, value_id *parts)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", axis);
    build_set_int(&a, "num_outputs", (int64_t)n);
    build_node(b, "Split", &a, 1, &x, n, parts);
}

void build_split_as(build *b, value_id x, int64_t axis, size_t n, const int64_t *sizes, value_id *parts)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", axis);
    build_node(b, "Split", &a, 2, (value_id[]){x, build_ints(b, n, sizes)}, n, parts);
}

value_id build_gather(build *b, value_id x, value_id at, int64_t axis)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", axis);
    return with(b, "Gather", &a, 2, (value_id[]){x, at});
}

value_id build_slice(build *b, value_id x, value_id begin, value_id end, int64_t axis)
{
    return with(b, "Slice", NULL, 4, (value_id[]){x, begin, end, build_int(b, axis)});
}

value_id build_shape(build *b, value_id x, int64_t first, size_t n)
{
    build_attributes a = build_no_attributes();
    build_set_int(&a, "start", first);
    build_set_int(&a, "end", first + (int64_t)n);
    return with(b, "Shape", &a, 1, &x);
}
