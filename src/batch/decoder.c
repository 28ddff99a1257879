#include "batch/decoder.h"

#include "base/error.h"

#define MAX_STEPS_BACK 8 /* nodes that only change the form of a value */

/* ---- Nodes and values ---------------------------------------------------------------------------------- */

bool decoder_node_is(const node *n, const char *type)
{
    return n && !n->domain.length && str_is(n->type, type);
}

value_id decoder_input(const node *n, uint32_t i)
{
    return i < n->inputs.n ? n->inputs.ids[i] : NO_VALUE;
}

const node *decoder_maker(const graph *g, value_id v)
{
    return v == NO_VALUE || g->values[v].producer == NO_NODE ? NULL : &g->nodes[g->values[v].producer];
}

value_id decoder_value_named(const graph *g, const char *name)
{
    value_id v = 0;
    while (v < g->n_values && !str_is(g->values[v].name, name))
        v++;
    return v < g->n_values ? v : NO_VALUE;
}

bool decoder_is_named(const graph *g, value_id v, const char *name)
{
    return v != NO_VALUE && str_is(g->values[v].name, name);
}

/* The value behind nodes that change a value's form alone. */
static value_id unwrapped(const graph *g, value_id v)
{
    static const char *const forms[] = {"Reshape", "Squeeze", "Unsqueeze", "Cast", "Identity"};
    for (int step = 0; step < MAX_STEPS_BACK; step++) {
        const node *n = decoder_maker(g, v);
        bool form = false;
        for (size_t i = 0; n && i < sizeof forms / sizeof *forms; i++)
            form = form || decoder_node_is(n, forms[i]);
        if (!form)
            break;
        v = decoder_input(n, 0);
    }
    return v;
}

/* Whether v is known to be one number, this dim. */
static bool is_dim(const graph *g, value_id v, dim d)
{
    v = v == NO_VALUE ? v : unwrapped(g, v);
    return v != NO_VALUE && g->values[v].n_elements == 1 && dim_same(g->values[v].elements[0], d);
}

/* Whether v is one constant number. */
static bool number_of(const graph *g, value_id v, double *out)
{
    const sib_tensor *t = v == NO_VALUE ? NULL : graph_find_constant(g, v);
    return t && sib_tensor_count(t) == 1 &&
           sib_convert(sib_tensor_dtype(t), sib_tensor_data(t), SIB_F64, out, 1, SIB_OVERFLOW_IEEE, NULL) ==
               SIB_OK;
}

/* ---- What they mean ------------------------------------------------------------------------------------ */

/* Whether v counts from `first` to the end of the cache with its new rows. */
static bool is_range(const decoder *d, value_id v, bool from_past)
{
    const node *n = decoder_maker(d->g, v);
    double first = 0, step = 0;
    return decoder_node_is(n, "Range") && is_dim(d->g, decoder_input(n, 1), d->total) &&
           number_of(d->g, decoder_input(n, 2), &step) && step == 1 &&
           (from_past ? is_dim(d->g, decoder_input(n, 0), d->before)
                      : number_of(d->g, decoder_input(n, 0), &first) && first == 0);
}

bool decoder_is_window(const decoder *d, value_id v, int64_t *window)
{
    const node *less = decoder_maker(d->g, v),
               *sub = decoder_node_is(less, "Less") ? decoder_maker(d->g, decoder_input(less, 0)) : NULL;
    double width;
    if (!decoder_node_is(sub, "Sub") || !number_of(d->g, decoder_input(less, 1), &width) ||
        !(width >= 1 && width < INT32_MAX) || !is_range(d, unwrapped(d->g, decoder_input(sub, 0)), true) ||
        !is_range(d, unwrapped(d->g, decoder_input(sub, 1)), false))
        return false;
    *window = (int64_t)width;
    return true;
}

size_t decoder_cache_of(const decoder *d, value_id v)
{
    size_t i = 0;
    while (i < d->n && !decoder_is_named(d->g, v, d->past[i]))
        i++;
    return i < d->n ? i : SIZE_MAX;
}

/* ---- Positions ----------------------------------------------------------------------------------------- */

/* Whether n takes rows P to P + N of a table. */
static bool is_rows(const decoder *d, const node *n)
{
    double axis;
    return decoder_node_is(n, "Slice") && graph_find_constant(d->g, decoder_input(n, 0)) &&
           is_dim(d->g, decoder_input(n, 1), d->before) && is_dim(d->g, decoder_input(n, 2), d->total) &&
           number_of(d->g, decoder_input(n, 3), &axis) && axis == 0 && decoder_input(n, 4) == NO_VALUE;
}

/* Where node `at` makes or uses the numbers P to P + N, `positions` take their place. */
static sib_code put_positions(const decoder *d, patch *p, node_id at, value_id positions, sib_error *err)
{
    const node *n = &d->g->nodes[at];
    value_id y = n->outputs.ids[0], ids[] = {decoder_input(n, 0), positions};
    if (decoder_node_is(n, "Range") && is_range(d, y, true))
        return patch_rewire(p, y, positions, err);
    if (!is_rows(d, n))
        return SIB_OK;
    attribute axis = {.name = str_of("axis"), .kind = ATTR_INT, .i = 0};
    node made = {.type = str_of("Gather"),
                 .name = n->name,
                 .version = n->version,
                 .inputs = {2, ids},
                 .outputs = {1, &y},
                 .n_attributes = 1,
                 .attributes = &axis};
    sib_code code = patch_node(p, at, &made, err);
    return code == SIB_OK ? patch_drop(p, at, err) : code;
}

sib_code decoder_rewrite(const decoder *d, patch *p, value_id positions,
                         sib_code (*put)(void *context, node_id at, sib_error *err), void *context,
                         sib_error *err)
{
    sib_code code = SIB_OK;
    size_t n_caches = 0;
    for (node_id i = 0; i < d->g->n_nodes && code == SIB_OK; i++) {
        const node *n = &d->g->nodes[i];
        const bool cached = decoder_node_is(n, "Attention") && decoder_input(n, IN_PAST_K) != NO_VALUE;
        n_caches += cached ? 2 : 0; /* of keys and of values */
        code = cached ? put(context, i, err) : put_positions(d, p, i, positions, err);
    }
    if (code == SIB_OK && n_caches != d->n)
        code =
            err_set(err, SIB_ERR_UNSUPPORTED,
                    "%zu of its states are no caches of the operator Attention (opset 23)", d->n - n_caches);
    return code == SIB_OK ? patch_apply(d->g, p, err) : code;
}
