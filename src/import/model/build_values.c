/* Values of the graph that is built: inputs, outputs and constants. */
#include "import/model/build_values.h"

#include "base/assert.h"
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

value_id build_new_value(build *b, const char *name, const value_type *type)
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
    value_id v = build_new_value(b, name, &type);
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
const char *build_fresh_name(build *b, const char *what)
{
    return build_text(b, "%s%s%s_%u", b->scope, *b->scope ? "/" : "", what, b->n_names++);
}

value_id build_constant(build *b, const char *name, sib_tensor *t)
{
    sib_code kept = b->code == SIB_OK ? arena_keep(b->m->arena, t, b->err) : SIB_ERR_MEMORY;
    if (b->code != SIB_OK)
        sib_tensor_free(&t);
    else
        b->code = kept;
    if (b->code != SIB_OK)
        return NO_VALUE;
    value_type type = type_of_dims(b->m->dims, sib_tensor_dtype(t), sib_tensor_rank(t), sib_tensor_dims(t));
    value_id v = build_new_value(b, name, &type);
    if (v != NO_VALUE) {
        b->g->values[v].constant = t;
        b->g->values[v].from_file = true;
        b->m->parameters += sib_tensor_count(t);
    }
    return v;
}

value_id build_constant_of(build *b, const char *name, sib_dtype dtype, size_t rank, const int64_t *dims,
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
    return build_constant(b, name, t);
}

value_id build_ints(build *b, size_t n, const int64_t *ints)
{
    return build_constant_of(b, build_fresh_name(b, "ints"), SIB_I64, 1, &(int64_t){(int64_t)n}, ints);
}

value_id build_int(build *b, int64_t number)
{
    return build_ints(b, 1, &number);
}

value_id build_scalar_int(build *b, int64_t number)
{
    return build_constant_of(b, build_fresh_name(b, "int"), SIB_I64, 0, NULL, &number);
}

value_id build_floats(build *b, size_t n, const float *floats)
{
    return build_constant_of(b, build_fresh_name(b, "floats"), SIB_F32, 1, &(int64_t){(int64_t)n}, floats);
}

value_id build_float(build *b, double number)
{
    return build_constant_of(b, build_fresh_name(b, "float"), SIB_F32, 0, NULL, &(float){(float)number});
}
