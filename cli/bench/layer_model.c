#include "bench/layer_model.h"

#include "bench/bench.h"
#include "messages.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_INPUTS 8

/* ---- Draws --------------------------------------------------------------------------------------------- */

static uint64_t below(layer *l, uint64_t n)
{
    double at = 0.5 * (bench_uniform(l->random) + 1) * (double)n;
    return at < (double)(n - 1) ? (uint64_t)at : n - 1;
}

int64_t layer_pick(layer *l, size_t n, const int64_t *values)
{
    return values[below(l, n)];
}

bool layer_chance(layer *l, unsigned percent)
{
    return below(l, 100) < percent;
}

/* ---- Begin and end ----------------------------------------------------------------------------------- */

void layer_begin(layer *l, int64_t opset, uint64_t *random)
{
    *l = (layer){.random = random, .last = "x"};
    l->code = sib_build_create(opset, &l->b, &l->err);
}

bool layer_end(layer *l, const char *path)
{
    sib_model *m = NULL;
    if (l->code == SIB_OK)
        l->code = sib_build_output(l->b, l->last, &l->err);
    if (l->code == SIB_OK)
        l->code = sib_build_model(&l->b, &m, &l->err);
    if (l->code == SIB_OK)
        l->code = sib_model_save(m, path, NULL, &l->err);
    sib_model_free(&m);
    sib_build_free(&l->b);
    return l->code == SIB_OK;
}

void layer_name(layer *l, const char *format, ...)
{
    va_list values;
    size_t used = strlen(l->name);
    va_start(values, format);
    vsnprintf(l->name + used, sizeof l->name - used, format, values);
    va_end(values);
}

void layer_products(layer *l, double n)
{
    l->flops += 2 * n;
}

void layer_stores(layer *l, double n)
{
    l->bytes += n * sizeof(float);
}

/* ---- Values ---------------------------------------------------------------------------------------- */

static double count(size_t rank, const int64_t *dims)
{
    double n = 1;
    for (size_t i = 0; i < rank; i++)
        n *= (double)dims[i];
    return n;
}

void layer_input(layer *l, const char *name, size_t rank, const int64_t *dims)
{
    if (l->code == SIB_OK)
        l->code = sib_build_input(l->b, name, SIB_F32, rank, dims, NULL, &l->err);
    layer_stores(l, count(rank, dims));
}

void layer_noise(layer *l, const char *name, double scale, double offset, size_t rank, const int64_t *dims)
{
    sib_tensor *t = NULL;
    if (l->code == SIB_OK)
        l->code = sib_tensor_create(SIB_F32, rank, dims, &t, &l->err);
    float *x = l->code == SIB_OK ? sib_tensor_data(t) : NULL;
    for (uint64_t i = 0; x && i < sib_tensor_count(t); i++)
        x[i] = (float)(scale * bench_uniform(l->random) + offset);
    if (l->code == SIB_OK)
        l->code = sib_build_constant(l->b, name, t, &l->err);
    sib_tensor_free(&t);
    layer_stores(l, count(rank, dims));
}

void layer_integers(layer *l, const char *name, size_t n, const int64_t *items)
{
    sib_tensor *t = NULL;
    if (l->code == SIB_OK)
        l->code = sib_tensor_create(SIB_I64, 1, &(int64_t){(int64_t)n}, &t, &l->err);
    if (l->code == SIB_OK) {
        memcpy(sib_tensor_data(t), items, n * sizeof *items);
        l->code = sib_build_constant(l->b, name, t, &l->err);
    }
    sib_tensor_free(&t);
}

/* ---- Nodes ------------------------------------------------------------------------------------------- */

/* The next attribute, whose items are in row i of ints, floats or strings. */
static sib_attribute *next(layer *l, const char *name, sib_attribute_kind kind, size_t n, size_t *i)
{
    *i = l->n_attributes++;
    l->attributes[*i] = (sib_attribute){.name = name, .kind = kind, .n = n};
    return &l->attributes[*i];
}

void layer_set_ints(layer *l, const char *name, size_t n, const int64_t *items)
{
    size_t i;
    sib_attribute *a = next(l, name, SIB_ATTRIBUTE_INTS, n, &i);
    memcpy(l->ints[i], items, n * sizeof *items);
    a->ints = l->ints[i];
}

void layer_set(layer *l, const char *name, int64_t value)
{
    layer_set_ints(l, name, 1, &value);
    l->attributes[l->n_attributes - 1].kind = SIB_ATTRIBUTE_INT;
}

void layer_set_float(layer *l, const char *name, double value)
{
    size_t i;
    sib_attribute *a = next(l, name, SIB_ATTRIBUTE_FLOAT, 1, &i);
    l->floats[i] = (float)value;
    a->floats = &l->floats[i];
}

void layer_set_text(layer *l, const char *name, const char *text)
{
    size_t i;
    sib_attribute *a = next(l, name, SIB_ATTRIBUTE_STRING, 1, &i);
    l->strings[i] = (sib_str){text, strlen(text)};
    a->strings = &l->strings[i];
}

void layer_node(layer *l, const char *type, const char *inputs)
{
    char text[96], last[sizeof l->last], *state = NULL;
    const char *in[MAX_INPUTS], *const out[] = {l->last};
    size_t n = 0;
    memcpy(last, l->last, sizeof last);
    snprintf(text, sizeof text, "%s", inputs);
    for (char *word = strtok_r(text, " ", &state); word && n < MAX_INPUTS; word = strtok_r(NULL, " ", &state))
        in[n++] = !strcmp(word, ".") ? NULL : !strcmp(word, "_") ? last : word;
    snprintf(l->last, sizeof l->last, "y%u", l->n_nodes++);
    const sib_build_node node = {.type = type,
                                 .n_inputs = n,
                                 .inputs = in,
                                 .n_outputs = 1,
                                 .outputs = out,
                                 .n_attributes = l->n_attributes,
                                 .attributes = l->attributes};
    if (l->code == SIB_OK)
        l->code = sib_build_add(l->b, &node, &l->err);
    l->n_attributes = 0;
}
