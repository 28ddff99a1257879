/* Import: values of the source graph become values of the plan. */
#include "run/plan/planner.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/error.h"
#include "base/size.h"
#include "tensor/tensor.h"

static mval import_failed(lowering *l, const sib_error *err)
{
    return l_fail(l, err->code, "%s", err->message);
}

/* Records which source value a value of the plan stands for. */
static bool note_source(planner *p, value_id planned, value_id source)
{
    if (planned >= p->source_capacity) {
        size_t before = p->source_capacity;
        if (ARRAY_RESERVE(p->source, p->source_capacity, (size_t)planned + 64, "a plan", NULL) != SIB_OK)
            return false;
        for (size_t i = before; i < p->source_capacity; i++)
            p->source[i] = NO_VALUE;
    }
    p->source[planned] = source;
    return true;
}

value_id planner_source(const planner *p, value_id planned)
{
    return planned < p->source_capacity ? p->source[planned] : NO_VALUE;
}

/* The type of a live value. */
static value_type live_type(planner *p, const sib_value *v)
{
    value_type inner = {0};
    size_t n = sib_value_count(v);
    switch (sib_value_get_kind(v)) {
    case SIB_VALUE_TENSOR: {
        const sib_tensor *t = sib_value_tensor(v);
        return type_of_dims(p->s->dims, t->dtype, t->rank, t->dims);
    }
    case SIB_VALUE_SEQUENCE:
        if (n && sib_value_get_kind(sib_value_item(v, 0)) == SIB_VALUE_TENSOR)
            inner = type_tensor(sib_tensor_dtype(sib_value_tensor(sib_value_item(v, 0))));
        return type_wrap(TYPE_SEQUENCE, inner);
    case SIB_VALUE_OPTIONAL:
        if (n)
            inner = live_type(p, sib_value_item(v, 0));
        return type_wrap(TYPE_OPTIONAL, inner);
    default:
        inner = type_wrap(TYPE_MAP, type_tensor(sib_tensor_dtype(sib_value_values(v))));
        inner.key = sib_tensor_dtype(sib_value_keys(v));
        return inner;
    }
}

sib_code planner_learn_content(planner *p, value_id planned, value_id source, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(p->live[source]);
    sib_tensor *kept = NULL;
    fact *f = planner_fact(p, source, err);
    /* a copy, since the caller may change the memory of an input before the next run */
    sib_code code = f ? tensor_fetch(t, err) : SIB_ERR_MEMORY;
    if (code == SIB_OK)
        code = sib_tensor_copy(t, &kept, err);
    if (code == SIB_OK)
        code = arena_keep(p->s->memory, kept, err);
    if (code == SIB_OK) {
        f->content = kept;
        p->s->graph->values[planned].constant = kept;
    }
    return code;
}

static mval import_live(planner *p, lowering *l, value_id source)
{
    sib_error err = SIB_ERROR_INIT;
    value_type type = live_type(p, p->live[source]);
    value_id made;
    fact *f = planner_fact(p, source, &err);
    if (!f || graph_add_value(l->graph, (sib_str){"", 0}, &type, &made, &err) != SIB_OK)
        return import_failed(l, &err);
    fact_describe(f, p->live[source]);
    if (!note_source(p, made, source))
        return l_fail(l, SIB_ERR_MEMORY, "no memory for a plan");
    if (p->wants_content[source] && sib_value_tensor(p->live[source]) &&
        planner_learn_content(p, made, source, &err) != SIB_OK)
        return import_failed(l, &err);
    mval v = {made};
    if (!type.depth && sib_dtype_get_kind(type.dtype) == SIB_KIND_FLOAT) {
        mval wide = m_cast(l, v, type.dtype); /* v itself; in oracle mode v as double */
        if (l_ok(l) && wide.id != v.id && !note_source(p, wide.id, source))
            return l_fail(l, SIB_ERR_MEMORY, "no memory for a plan");
        v = wide;
    }
    return v;
}

mval planner_import(lowering *l, const graph *source, value_id v)
{
    planner *p = l->driver;
    const value *x = &source->values[v];
    if (p->map[v] != NO_VALUE)
        return (mval){p->map[v]};
    mval made;
    const sib_tensor *constant = p->captured[v] ? p->captured[v] : x->constant;
    if (p->live[v] && !p->captured[v])
        made = import_live(p, l, v);
    else if (constant) {
        sib_error err = SIB_ERROR_INIT;
        fact *f = p->given[v] ? planner_fact(p, v, &err) : NULL;
        if (f)
            f->absent = true;
        made = m_constant_ref(l, constant);
        if (l_ok(l)) { /* in oracle mode the constant is a widened copy */
            value *to = &l->graph->values[made.id];
            to->lasting = to->constant == constant;
            to->from_file = to->lasting && x->from_file && x->constant == constant;
        }
    } else
        return l_fail(l, SIB_ERR_FORMAT, "value '%.*s' is used before it is computed", (int)x->name.length,
                      x->name.data);
    if (l_ok(l))
        p->map[v] = made.id;
    return made;
}

/* ---- Inputs and captures ------------------------------------------------------------------------------- */

void planner_find_givens(planner *p)
{
    for (uint32_t i = 0; i < p->g->inputs.n; i++)
        p->given[p->g->inputs.ids[i]] = true;
    for (uint32_t i = 0; i < p->g->n_captures; i++)
        p->captured[p->g->captures[i].inner] = graph_find_constant(p->g, p->g->captures[i].inner);
}
