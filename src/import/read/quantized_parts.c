/* The parts of a quantised weight: found by their names, checked, taken out of the checkpoint. */
#include "import/read/quantized.h"

#include <stdarg.h>
#include <stdio.h>

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

const weight *join_beside(const joining *j, const char *ending)
{
    char name[QUANTIZED_NAME_BYTES];
    snprintf(name, sizeof name, "%.*s%s", (int)j->base.length, j->base.data, ending);
    return checkpoint_find(j->c, name);
}

bool join_is(const weight *w, part_kind kind)
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
    const weight *w = j->code == SIB_OK ? join_beside(j, ending) : NULL;
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
    if (!join_is(w, kind))
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
    const weight *w = join_beside(j, ending);
    return w && join_is(w, kind);
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

sib_str quantized_text(const checkpoint *c, const char *key, const char *otherwise)
{
    const fact *f = checkpoint_fact(c, key);
    return f && f->kind == FACT_STRING && !f->list ? f->strings[0] : str_of(otherwise);
}

bool join_text_is(const joining *j, const char *key, const char *otherwise, const char *text)
{
    char name[128];
    snprintf(name, sizeof name, "quantization_config.%s", key);
    return str_is(quantized_text(j->c, name, otherwise), text);
}
