#include "model/compare_nodes.h"

#include "command.h"
#include "messages.h"

#include <stdlib.h>
#include <string.h>

/* What it has for a value, owned by the caller; NULL: nothing, or a weight. Returns false where that cannot
   be read. */
static bool reference_of(const reference *r, const model_inputs *in, const sib_value_info *value,
                         sib_value **out)
{
    *out = NULL;
    for (size_t i = 0; i < in->n; i++)
        if (!strcmp(in->items[i].name, value->name))
            sib_value_copy(in->items[i].value, out, NULL);
    if (*out || !value->name || !value->name[0] || (value->constant && value->producer == SIB_NONE))
        return true;
    if (r->theirs)
        return dump_value(r->theirs, value->name, out);
    const recorded *found = recording_find(&r->a, value->name);
    if (found)
        sib_value_copy(found->value, out, NULL);
    return true;
}

/* Values of the main graph that the reference side has. out: (values of the model), owned by the caller, *n
   of them used; 0 where a node makes none of them. Returns false where one cannot be read. */
static bool reference_values(const sib_model *m, const reference *r, const model_inputs *in,
                             sib_named_value *out, size_t *n)
{
    bool any = false, ok = true;
    const sib_graph *g = sib_model_graph(m, 0);
    sib_value_info v;
    *n = 0;
    for (size_t i = 0; ok && sib_graph_value(g, i, &v); i++) {
        sib_value *value;
        ok = reference_of(r, in, &v, &value);
        if (value)
            out[(*n)++] = (sib_named_value){v.name, value};
        any = any || (value && v.producer != SIB_NONE);
    }
    for (; !any && *n; --*n)
        sib_value_free((sib_value **)&out[*n - 1].value);
    return ok;
}

bool compare_nodes(sib_model *m, const sib_diff_options *how, const model_inputs *in, const reference *r,
                   comparison *out)
{
    sib_diff *d = NULL;
    sib_error err = SIB_ERROR_INIT;
    sib_model_info info;
    sib_model_get_info(m, &info);
    sib_named_value *values = cli_alloc(info.n_values + 1, sizeof *values);
    size_t n = 0;
    bool ok = reference_values(m, r, in, values, &n);
    if (ok && n && sib_diff_create(m, n, values, how, &d, &err) != SIB_OK)
        ok = (cli_fail("%s", err.message), false);
    if (ok)
        comparison_of_nodes(d, out);
    sib_diff_free(&d);
    for (size_t i = 0; i < n; i++)
        sib_value_free((sib_value **)&values[i].value);
    free(values);
    return ok;
}
