/* Parameters of words, by name. */
#include "extend/word.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

const sib_param *param_find(const word_call *c, const char *name)
{
    for (size_t i = 0; i < c->n_params; i++)
        if (c->params[i].name && !strcmp(c->params[i].name, name))
            return &c->params[i];
    return NULL;
}

/* The items of a parameter as dims; none where it is left out. At most SIB_MAX_RANK. */
static size_t param_dims(word_call *c, const char *name, dim out[SIB_MAX_RANK])
{
    const sib_param *p = param_find(c, name);
    if (p && (p->n > SIB_MAX_RANK || (p->n && !p->ints && !p->dims))) {
        l_fail(c->l, SIB_ERR_ARGUMENT, "%s: parameter %s is no list of up to %d numbers", c->name, name,
               SIB_MAX_RANK);
        return 0;
    }
    for (size_t i = 0; p && i < p->n; i++)
        out[i] = p->dims ? handle_dim(c->b, p->dims[i]) : d_const(c->l, p->ints[i]);
    return p && l_ok(c->l) ? p->n : 0;
}

/* The same as numbers. */
size_t param_ints(word_call *c, const char *name, int64_t out[SIB_MAX_RANK])
{
    dim dims[SIB_MAX_RANK];
    size_t n = param_dims(c, name, dims);
    for (size_t i = 0; i < n; i++)
        out[i] = m_number(c->l, dims[i]);
    return n;
}

int64_t param_int(word_call *c, const char *name, int64_t otherwise)
{
    int64_t numbers[SIB_MAX_RANK];
    size_t n = param_ints(c, name, numbers);
    if (n > 1)
        l_fail(c->l, SIB_ERR_ARGUMENT, "%s: parameter %s has %zu numbers, expected one", c->name, name, n);
    return n == 1 ? numbers[0] : otherwise;
}

int param_axis(word_call *c)
{
    int64_t axis = param_int(c, "axis", 0);
    return axis > -1000 && axis < 1000 ? (int)axis : 1000; /* out of range for any rank */
}

dim param_dim(word_call *c, const char *name)
{
    dim dims[SIB_MAX_RANK];
    size_t n = param_dims(c, name, dims);
    if (n != 1 && l_ok(c->l))
        l_fail(c->l, SIB_ERR_ARGUMENT, "%s: parameter %s has %zu numbers, expected one", c->name, name, n);
    return l_ok(c->l) ? dims[0] : DIM_NONE;
}

sib_dtype param_dtype(word_call *c, const char *name)
{
    int64_t number = param_int(c, name, 0);
    bool is = number > 0 && number <= SIB_I2 && sib_dtype_bits((sib_dtype)number);
    if (!is)
        l_fail(c->l, SIB_ERR_ARGUMENT, "%s: parameter %s is %lld, which is not a dtype", c->name, name,
               (long long)number);
    return is ? (sib_dtype)number : SIB_DTYPE_UNKNOWN;
}

const char *param_choice(word_call *c, const char *name, const char *const *choices)
{
    const sib_param *p = param_find(c, name);
    size_t i = 0;
    while (p && choices[i] && (!p->text || strcmp(choices[i], p->text)))
        i++;
    if (choices[i])
        return choices[i];
    char list[100];
    size_t n = 0;
    for (i = 0; choices[i] && n < sizeof list; i++)
        n += (size_t)snprintf(list + n, sizeof list - n, " %s", choices[i]);
    l_fail(c->l, SIB_ERR_ARGUMENT, "%s: parameter %s is '%s', expected one of:%s", c->name, name,
           p && p->text ? p->text : "", list);
    return choices[0];
}

size_t param_shape(word_call *c, const char *name, dim out[SIB_MAX_RANK])
{
    size_t n = param_dims(c, name, out);
    for (size_t i = 0; i < n; i++) {
        int64_t number;
        if (dim_is_const(c->l->graph->dims, out[i], &number) && number < 0)
            l_fail(c->l, SIB_ERR_ARGUMENT, "%s: %s[%zu] is %lld, expected at least 0", c->name, name, i,
                   (long long)number);
    }
    return l_ok(c->l) ? n : 0;
}

bool param_per_axis(word_call *c, const char *name, size_t n)
{
    int rank = m_rank(c->l, c->in[0]);
    if (l_ok(c->l) && n != (size_t)rank)
        l_fail(c->l, SIB_ERR_ARGUMENT, "%s: parameter %s has %zu numbers, expected %d", c->name, name, n,
               rank);
    return l_ok(c->l);
}

/* ---- As attributes ---------------------------------------------------------------------------------------- */

/* Max items of a list, as a guard against wrong arguments. */
#define LIST_MAX (SIZE_MAX / 64)

static const spec_row *row_of(const spec_table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->rows[i].name && !strcmp(t->rows[i].name, name))
            return &t->rows[i];
    return NULL;
}

/* Strings in the arena of the graph. */
static const sib_str *copy_strings(word_call *c, const sib_param *p)
{
    graph_arena *arena = c->l->graph->arena;
    sib_str *own = arena_alloc(arena, p->n + 1, sizeof *own);
    bool ok = own != NULL;
    for (size_t i = 0; ok && i < p->n; i++)
        own[i] = arena_string(arena, p->strings[i], &ok);
    if (!ok)
        l_fail(c->l, SIB_ERR_MEMORY, "no memory for %zu strings", p->n);
    return own;
}

/* The integers of a parameter; its own, or made of dims. */
static const int64_t *copy_ints(word_call *c, const sib_param *p)
{
    if (p->ints)
        return p->ints;
    int64_t *made = arena_alloc(c->l->graph->arena, p->n + 1, sizeof *made);
    if (!made)
        l_fail(c->l, SIB_ERR_MEMORY, "no memory for %zu numbers", p->n);
    for (size_t i = 0; made && i < p->n; i++)
        made[i] = m_number(c->l, handle_dim(c->b, p->dims[i]));
    return made;
}

/* What is given, in the kind that it has; a single integer where the row wants one. */
static attribute attribute_of(word_call *c, const sib_param *p, const spec_row *r)
{
    bool one = r->kind == SPEC_INT || r->kind == SPEC_FLAG || r->kind == SPEC_DTYPE;
    attribute a = {.name = str_of(r->name), .n = p->n};
    if (p->n > LIST_MAX)
        l_fail(c->l, SIB_ERR_SIZE, "%s: parameter %s has %zu items", c->name, p->name, p->n);
    else if (p->text) {
        const sib_param text = {.n = 1, .strings = &(sib_str){p->text, strlen(p->text)}};
        const sib_str *own = copy_strings(c, &text);
        a.kind = ATTR_STRING;
        a.s = own ? *own : a.s;
    } else if (p->strings) {
        a.kind = ATTR_STRINGS;
        a.strings = copy_strings(c, p);
    } else if (p->floats) {
        a.kind = ATTR_FLOATS;
        a.floats = p->floats;
    } else if (p->ints || p->dims) {
        const int64_t *ints = copy_ints(c, p);
        a.kind = one && p->n == 1 && ints ? ATTR_INT : ATTR_INTS;
        if (a.kind == ATTR_INT)
            a.i = *ints;
        else
            a.ints = ints;
    } else if (p->n)
        l_fail(c->l, SIB_ERR_ARGUMENT, "%s: parameter %s has %zu items, which are NULL", c->name, p->name,
               p->n);
    else
        a.kind = ATTR_INTS; /* an empty list may be of any kind */
    return a;
}

void param_attributes(word_call *c, const spec_table *t)
{
    sib_error err = SIB_ERROR_INIT;
    attribute *list = arena_alloc(c->l->graph->arena, c->n_params + 1, sizeof *list);
    c->node = (node){.type = str_of(c->name), .version = 1, .attributes = list};
    if (!list)
        l_fail(c->l, SIB_ERR_MEMORY, "no memory for %zu parameters", c->n_params);
    for (size_t i = 0; i < c->n_params && l_ok(c->l); i++) {
        const spec_row *r = row_of(t, c->params[i].name);
        if (r)
            list[c->node.n_attributes++] = attribute_of(c, &c->params[i], r);
    }
    if (l_ok(c->l) && spec_check(t, &c->node, &err) != SIB_OK)
        l_fail(c->l, err.code, "%s: %s", c->name, err.message);
}
