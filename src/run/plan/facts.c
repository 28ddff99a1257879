/* What a plan assumes of the values that existed before it. */
#include "run/plan/planner.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/error.h"
#include "tensor/tensor.h"

#include <string.h>

fact *planner_fact(planner *p, value_id source, sib_error *err)
{
    segment *s = p->s;
    SIB_ASSERT(source < p->g->n_values);
    SIB_ASSERT(p->fact_at[source] <= s->n_facts);
    if (p->fact_at[source])
        return &s->facts[p->fact_at[source] - 1];
    if (ARRAY_RESERVE(s->facts, s->fact_capacity, s->n_facts + 1, "a plan", err) != SIB_OK)
        return NULL;
    fact *f = &s->facts[s->n_facts++];
    p->fact_at[source] = s->n_facts;
    *f = (fact){.source = source};
    return f;
}

void fact_describe(fact *f, const sib_value *v)
{
    f->absent = !v;
    if (!v)
        return;
    f->kind = sib_value_get_kind(v);
    const sib_tensor *t = sib_value_tensor(v);
    if (t) {
        SIB_ASSERT(t->rank <= SIB_MAX_RANK);
        f->dtype = t->dtype;
        f->rank = t->rank;
        memcpy(f->dims, t->dims, sizeof *f->dims * t->rank);
    }
}

static bool same_content(const sib_tensor *a, const sib_tensor *b)
{
    static const sib_tolerance exact;
    sib_comparison c;
    return sib_tensor_compare(a, b, &exact, &c, NULL) == SIB_OK && c.equal;
}

static bool fact_holds(const fact *f, const sib_value *v)
{
    if (!v || f->absent)
        return !v && f->absent;
    const sib_tensor *t = sib_value_tensor(v);
    if (sib_value_get_kind(v) != f->kind)
        return false;
    return !t || (t->dtype == f->dtype && t->rank == f->rank &&
                  memcmp(t->dims, f->dims, sizeof *f->dims * f->rank) == 0 &&
                  (!f->content || same_content(t, f->content)));
}

bool segment_fits(const segment *s, sib_value *const *live)
{
    for (size_t i = 0; i < s->n_facts; i++)
        SIB_ASSERT(s->facts[i].source < s->source->n_values);
    for (size_t i = 0; i < s->n_facts; i++)
        if (!fact_holds(&s->facts[i], live[s->facts[i].source]))
            return false;
    return true;
}
