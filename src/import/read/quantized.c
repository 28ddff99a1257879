#include "import/read/quantized.h"

#include "base/alloc.h"
#include "tensor/shape.h"

#include <stdio.h>
#include <string.h>

/* Parts that nothing is made of: scales of activations, and a layout that is checked elsewhere. */
static const char *const left_out[] = {".input_scale",      ".input_scale_ub", ".activation_scale",
                                       ".input_zero_point", ".weight_format",  ".weight_shape"};

static bool ends_with(sib_str s, const char *end)
{
    const size_t n = strlen(end);
    return s.length > n && !memcmp(s.data + s.length - n, end, n);
}

/* Puts the joined weight of this format in the place of weight i. */
static void put(joining *j, size_t i, const weight_format *format)
{
    char name[QUANTIZED_NAME_BYTES];
    bool ok = true;
    weight made = {
        .format = format, .rank = 2, .size = j->size, .file = j->c->weights[i].file, .codes = j->made};
    const weight *other = join_beside(j, ".weight");
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
        const weight *w = join_beside(j, left_out[k]);
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
        if (!s->mark || join_beside(j, s->mark))
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
            (join_is(w, PART_INT8) || join_is(w, PART_UINT8) || join_is(w, PART_FLOAT8)))
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
    const sib_str method = quantized_text(c, "quantization_config.quant_method", "");
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
