#include "import/read/quantized.h"

#include "base/alloc.h"
#include "tensor/shape.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of a part's name. */
#define NAME_BYTES (READER_MAX_NAME + 64)

/* Parts that nothing is made of: scales of activations, and a layout that is checked elsewhere. */
static const char *const left_out[] = {".input_scale",      ".input_scale_ub", ".activation_scale",
                                       ".input_zero_point", ".weight_format",  ".weight_shape"};

/* ---- Parts --------------------------------------------------------------------------------------------- */

void join_fail(joining *j, sib_code code, const char *format, ...)
{
    char text[SIB_MESSAGE_SIZE];
    va_list args;
    if (j->code != SIB_OK)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    j->code = err_set(j->err, code, "%s: quant_method '%s', weight '%.*s': %s", checkpoint_file(j->c, 0),
                      j->method, READER_STR(j->base), text);
}

static bool ends_with(sib_str s, const char *end)
{
    const size_t n = strlen(end);
    return s.length > n && !memcmp(s.data + s.length - n, end, n);
}

static const weight *beside(const joining *j, const char *ending)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%.*s%s", (int)j->base.length, j->base.data, ending);
    return checkpoint_find(j->c, name);
}

static bool of_kind(const weight *w, part_kind kind)
{
    const sib_dtype t = w->format->dtype;
    switch (kind) {
    case PART_FLOAT:
        return t == SIB_F32 || t == SIB_F16 || t == SIB_BF16 || t == SIB_F8E8M0;
    case PART_INT32:
        return t == SIB_I32;
    case PART_INT8:
        return t == SIB_I8;
    case PART_UINT8:
        return t == SIB_U8;
    case PART_FLOAT8:
        return t == SIB_F8E4M3FN || t == SIB_F8E5M2;
    default:
        return t == SIB_I32 || t == SIB_I64;
    }
}

const weight *join_part(joining *j, const char *ending, part_kind kind, bool needed)
{
    static const char *const words[] = {
        "float32, float16 or bfloat16", "int32", "int8", "uint8", "float8", "int32 or int64"};
    const weight *w = j->code == SIB_OK ? beside(j, ending) : NULL;
    if (!w) {
        if (needed)
            join_fail(j, SIB_ERR_FORMAT, "its part '%s' is missing", ending);
        return NULL;
    }
    uint64_t count;
    weight *part = arena_alloc(j->c->arena, 1, sizeof *part);
    if (!part) {
        j->code = err_memory(j->err, sizeof *part, "a part of a weight");
        return NULL;
    }
    *part = *w;
    j->size += j->gone[w - j->c->weights] ? 0 : w->size;
    j->gone[w - j->c->weights] = true;
    if (!of_kind(w, kind))
        join_fail(j, SIB_ERR_FORMAT, "its part '%s' is %s, expected %s", ending, w->format->name,
                  words[kind]);
    else if (w->strided || w->codes || !weight_count(w, &count) || !count)
        join_fail(j, SIB_ERR_FORMAT, "its part '%s' has no elements, or gaps", ending);
    return j->code == SIB_OK ? part : NULL;
}

const weight *join_matrix(joining *j, const char *ending, part_kind kind)
{
    const weight *w = join_part(j, ending, kind, true);
    if (w && w->rank != 2)
        join_fail(j, SIB_ERR_FORMAT, "its part '%s' has %zu dims, expected 2", ending, w->rank);
    return j->code == SIB_OK ? w : NULL;
}

bool join_has(const joining *j, const char *ending, part_kind kind)
{
    const weight *w = beside(j, ending);
    return w && of_kind(w, kind);
}

/* The dims of a part without those of 1, as a matrix. */
static bool has_dims(const weight *w, int64_t rows, int64_t columns)
{
    const int64_t want[2] = {rows, columns};
    size_t i = 0;
    for (size_t k = 0; k < w->rank; k++) {
        if (w->dims[k] == 1)
            continue;
        while (i < 2 && want[i] == 1)
            i++;
        if (i == 2 || want[i++] != w->dims[k])
            return false;
    }
    while (i < 2 && want[i] == 1)
        i++;
    return i == 2;
}

void join_expect(joining *j, const weight *part, const char *ending, int64_t rows, int64_t columns)
{
    char have[120] = "";
    size_t used = 0;
    if (j->code != SIB_OK || !part || has_dims(part, rows, columns))
        return;
    for (size_t i = 0; i < part->rank && used < sizeof have; i++)
        used += (size_t)snprintf(have + used, sizeof have - used, "%s%lld", i ? ", " : "",
                                 (long long)part->dims[i]);
    join_fail(j, SIB_ERR_FORMAT, "its part '%s' is [%s], expected [%lld, %lld]", ending, have,
              (long long)rows, (long long)columns);
}

int64_t join_int(const joining *j, const char *key, int64_t otherwise)
{
    char name[128];
    snprintf(name, sizeof name, "quantization_config.%s", key);
    return checkpoint_int(j->c, name, otherwise);
}

static sib_str config_text(const checkpoint *c, const char *key, const char *otherwise)
{
    const fact *f = checkpoint_fact(c, key);
    return f && f->kind == FACT_STRING && !f->list ? f->strings[0] : str_of(otherwise);
}

bool join_text_is(const joining *j, const char *key, const char *otherwise, const char *text)
{
    char name[128];
    snprintf(name, sizeof name, "quantization_config.%s", key);
    return str_is(config_text(j->c, name, otherwise), text);
}

/* ---- Joining ------------------------------------------------------------------------------------------- */

/* Puts the joined weight of this format in the place of weight i. */
static void put(joining *j, size_t i, const weight_format *format)
{
    char name[NAME_BYTES];
    bool ok = true;
    weight made = {
        .format = format, .rank = 2, .size = j->size, .file = j->c->weights[i].file, .codes = j->made};
    const weight *other = beside(j, ".weight");
    if (other && !j->gone[other - j->c->weights])
        join_fail(j, SIB_ERR_FORMAT, "it is there also as it was before");
    if (j->code != SIB_OK)
        return;
    snprintf(name, sizeof name, "%.*s.weight", (int)j->base.length, j->base.data);
    made.name = arena_string(j->c->arena, str_of(name), &ok);
    if (!ok)
        j->code = err_memory(j->err, sizeof name, "a name");
    memcpy(made.dims, j->dims, sizeof j->dims);
    shape_dense_strides(2, made.dims, made.strides);
    j->c->weights[i] = made;
    j->gone[i] = false;
}

static void join_one(joining *j, size_t i, const quantized_scheme *s)
{
    weight_format *format = arena_alloc(j->c->arena, 1, sizeof *format);
    const sib_str name = j->c->weights[i].name;
    j->base = (sib_str){name.data, name.length - strlen(s->main)};
    j->made = arena_alloc(j->c->arena, 1, sizeof *j->made);
    j->size = 0;
    if (!format || !j->made) {
        j->code = err_memory(j->err, sizeof *j->made, "a weight");
        return;
    }
    *j->made = (weight_codes){.factor = 1};
    *format = (weight_format){s->format, SIB_DTYPE_UNKNOWN, 1, 4, N_BLOCK_KINDS};
    s->join(j);
    for (size_t k = 0; k < sizeof left_out / sizeof *left_out && j->code == SIB_OK; k++) {
        const weight *w = beside(j, left_out[k]);
        if (w)
            j->gone[w - j->c->weights] = true;
    }
    put(j, i, format);
}

/* The scheme of a weight that one begins with; NULL for other weights. */
static const quantized_scheme *scheme_of(joining *j, const weight *w)
{
    for (const quantized_scheme *s = quantized_schemes; s->method; s++) {
        if (strcmp(s->method, j->method) != 0 || !ends_with(w->name, s->main))
            continue;
        j->base = (sib_str){w->name.data, w->name.length - strlen(s->main)};
        if (!s->mark || beside(j, s->mark))
            return s;
    }
    return NULL;
}

/* A matrix of small numbers whose scales are missing would be taken for the numbers themselves. */
static void refuse_bare(joining *j)
{
    for (size_t i = 0; i < j->c->n_weights && j->code == SIB_OK; i++) {
        const weight *w = &j->c->weights[i];
        j->base = w->name;
        if (!j->gone[i] && !w->codes && w->rank >= 2 && ends_with(w->name, ".weight") &&
            (of_kind(w, PART_INT8) || of_kind(w, PART_UINT8) || of_kind(w, PART_FLOAT8)))
            join_fail(j, SIB_ERR_FORMAT, "is %s without the parts that the method has beside it (scales)",
                      w->format->name);
    }
}

/* Leaves out the parts, and finds the others by their names again. */
static sib_code compact(joining *j)
{
    checkpoint *c = j->c;
    size_t kept = 0;
    name_map names = {0};
    for (size_t i = 0; i < c->n_weights; i++) {
        if (j->gone[i])
            continue;
        c->weights[kept] = c->weights[i];
        if (!name_map_put(&names, c->weights[kept].name, (uint32_t)kept)) {
            name_map_clear(&names);
            return err_memory(j->err, kept, "names of weights");
        }
        kept++;
    }
    name_map_clear(&c->weight_names);
    c->weight_names = names;
    c->n_weights = kept;
    return SIB_OK;
}

static sib_code unknown_method(const checkpoint *c, sib_str method, sib_error *err)
{
    char known[200] = "";
    size_t used = 0;
    for (const quantized_scheme *s = quantized_schemes; s->method && used < sizeof known; s++)
        if (s == quantized_schemes || strcmp(s->method, s[-1].method) != 0)
            used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", s->method);
    return err_set(err, SIB_ERR_UNSUPPORTED, "%s: weights of quant_method '%.*s' are not read; known are %s",
                   checkpoint_file(c, 0), READER_STR(method), known);
}

sib_code quantized_join(checkpoint *c, sib_error *err)
{
    const sib_str method = config_text(c, "quantization_config.quant_method", "");
    joining j = {.c = c, .err = err};
    for (const quantized_scheme *s = quantized_schemes; s->method && !j.method; s++)
        if (str_is(method, s->method))
            j.method = s->method;
    if (!method.length)
        return SIB_OK;
    if (!j.method)
        return unknown_method(c, method, err);
    j.gone = mem_calloc(c->n_weights + 1, sizeof *j.gone);
    if (!j.gone)
        return err_memory(err, c->n_weights, "parts of weights");
    for (size_t i = 0; i < c->n_weights && j.code == SIB_OK; i++) {
        const quantized_scheme *s = j.gone[i] || c->weights[i].codes ? NULL : scheme_of(&j, &c->weights[i]);
        if (s)
            join_one(&j, i, s);
    }
    refuse_bare(&j);
    if (j.code == SIB_OK)
        j.code = compact(&j);
    mem_free(j.gone);
    return j.code;
}
