/* Weights of the checkpoint as values of the graph that is built. */
#include "base/array.h"
#include "base/error.h"
#include "import/model/build_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    char theirs[BUILD_NAME_BYTES];
    return translate(b, name, theirs, sizeof theirs) ? checkpoint_find(b->c, theirs) : NULL;
}

static void report_missing(build *b, const char *name)
{
    char theirs[BUILD_NAME_BYTES];
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
    for (char name[BUILD_NAME_BYTES];; n++) {
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
    if (w->rank != rank + 1 || w->codes || i < 0 || i >= w->dims[0])
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
    char theirs[BUILD_NAME_BYTES], have[200], want[200];
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
    return build_constant(b, name, t);
}

/* Values of weights that several layers share. */
struct build_kept {
    const char *name;
    value_id value;
    struct build_kept *next;
};

static value_id kept(const build *b, const char *name)
{
    for (const struct build_kept *k = b->kept; k && b->shares; k = k->next)
        if (!strcmp(k->name, name))
            return k->value;
    return NO_VALUE;
}

static value_id keep(build *b, const char *name, value_id v)
{
    struct build_kept *k = b->shares && b->code == SIB_OK ? arena_alloc(b->m->arena, 1, sizeof *k) : NULL;
    if (k) {
        *k = (struct build_kept){name, v, b->kept};
        b->kept = k;
    }
    return v;
}

value_id build_weight(build *b, const char *name, size_t rank, const int64_t *dims)
{
    const value_id before = kept(b, name);
    if (before != NO_VALUE)
        return before;
    source s = {.from = take(b, name, rank, dims), .dtype = SIB_F32, .rows = 1, .columns = 1};
    for (size_t i = 0; s.from && i < rank; i++)
        s.columns *= dims[i];
    name = build_text(b, "%s", name);
    return keep(b, name, source_value(b, name, &s, rank, dims));
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
    return build_constant_of(b, build_text(b, "%s.scale", name), SIB_F32, 1, &n, scales);
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
    if (kept(b, words) != NO_VALUE)
        return kept(b, words);
    source s = {.from = take(b, name, 2, theirs),
                .rows = theirs[0],
                .columns = theirs[1],
                .transposed = transposed,
                .heads = heads,
                .scaled_columns = !transposed};
    choose_dtype(b, &s, transposed, ours);
    if (s.dtype == SIB_I8)
        scale = scales_of(b, words, &s);
    return keep(b, words, widen(b, &s, source_value(b, words, &s, 2, ours), scale, 1));
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
