/* Operators that contain graphs. The session runs them; this file infers the types of their outputs. */
#include "base/alloc.h"
#include "milli/types.h"
#include "ops/lower/lower.h"

#include <string.h>

/* Max inferences of a loop's body until its types are stable */
#define LOOP_PASSES 8

/* ---- Bodies ------------------------------------------------------------------------------------------ */

/* g, the attribute `which`. Fails and returns NULL without n_in inputs and at least n_out outputs. */
static graph *body_of(lowering *l, graph *g, const char *which, size_t n_in, size_t n_out)
{
    if (!l_ok(l))
        return NULL;
    if (!l->infer_subgraph) {
        l_fail(l, SIB_ERR_UNSUPPORTED, "it runs subgraphs, which needs a session");
        return NULL;
    }
    if (g->inputs.n != n_in || g->outputs.n < n_out) {
        l_fail(l, SIB_ERR_FORMAT, "%s has %u inputs and %u outputs, expected %zu and at least %zu", which,
               g->inputs.n, g->outputs.n, n_in, n_out);
        return NULL;
    }
    return g;
}

/* Clears the types that an earlier inference found for other input types. */
static void forget(graph *g)
{
    for (uint32_t i = 0; i < g->n_values; i++) {
        value *v = &g->values[i];
        if (v->producer == NO_NODE)
            continue;
        v->constant = NULL;
        v->elements = NULL;
        v->n_elements = 0;
        v->type = (value_type){0};
    }
}

/* Infers g for inputs of these types (g->inputs.n). Returns false after a failure. */
static bool infer(lowering *l, graph *g, const value_type *types)
{
    sib_error err = SIB_ERROR_INIT;
    forget(g);
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        value *v = &g->values[g->inputs.ids[i]];
        v->type = types_unknown(&types[i]) ? v->declared : types[i];
    }
    if (l->infer_subgraph(l, g, &err) != SIB_OK)
        l_fail(l, err.code, "%s", err.message);
    return l_ok(l);
}

static value_type output_type(const graph *g, size_t i)
{
    return g->outputs.ids[i] == NO_VALUE ? (value_type){0} : g->values[g->outputs.ids[i]].type;
}

/* Room for n types, allocated as n + 1 so that it is never empty; NULL after a failure. */
static value_type *types_room(lowering *l, size_t n)
{
    value_type *t = mem_calloc(n + 1, sizeof *t);
    if (!t)
        l_fail(l, SIB_ERR_MEMORY, "no memory for the types of a subgraph");
    return t;
}

/* ---- Merging types ------------------------------------------------------------------------------------ */

/* True where both have the same kind and the same tensor dtype. */
static bool same_kind(const value_type *a, const value_type *b)
{
    return a->depth == b->depth && !memcmp(a->wrap, b->wrap, a->depth) && a->leaf == b->leaf &&
           a->dtype == b->dtype && a->key == b->key;
}

/* The merged type of both; the unknown type where they have nothing in common. */
static value_type either(lowering *l, const value_type *a, const value_type *b)
{
    if (types_unknown(a) || types_unknown(b))
        return (value_type){0};
    return same_kind(a, b) ? types_merge(l, a, b) : (value_type){0};
}

/* t without axis `at` of its tensor; if `insert`, with an axis of `size` inserted there instead. */
static value_type with_axis(lowering *l, value_type t, int64_t at, bool insert, dim size)
{
    dim_shape *s = &t.shape;
    if (!l_ok(l) || t.depth || !s->ranked)
        return t;
    int rank = s->rank + (insert ? 1 : 0);
    int axis = m_axis(l, at, rank, "axis");
    if (!l_ok(l) || rank > SIB_MAX_RANK) {
        if (l_ok(l))
            l_fail(l, SIB_ERR_SIZE, "rank %d is above %d", rank, SIB_MAX_RANK);
        return t;
    }
    if (insert) {
        memmove(s->dims + axis + 1, s->dims + axis, sizeof(dim) * (size_t)(s->rank - axis));
        s->dims[axis] = dim_same(size, DIM_NONE) ? dim_fresh(l->graph->dims) : size;
        s->rank++;
    } else {
        memmove(s->dims + axis, s->dims + axis + 1, sizeof(dim) * (size_t)(s->rank - axis - 1));
        s->rank--;
    }
    return t;
}

static dim axis_size(lowering *l, const value_type *t, int64_t at)
{
    if (!l_ok(l) || !t->shape.ranked)
        return DIM_NONE;
    int axis = m_axis(l, at, t->shape.rank, "axis");
    return l_ok(l) ? t->shape.dims[axis] : DIM_NONE;
}

/* ---- If ------------------------------------------------------------------------------------------------ */

/* The outputs of then_branch where the condition is true, else those of else_branch. ONNX If-1, -11, -13,
   -16. */
void lower_ONNX_If(lowering *l, const node *n)
{
    size_t n_out = n->outputs.n;
    value_type nothing = {0};
    mval condition = l_in(l, 0);
    control_spec spec = spec_control(n);
    graph *yes = body_of(l, spec.then_branch, "then_branch", 0, n_out);
    graph *no = body_of(l, spec.else_branch, "else_branch", 0, n_out);
    if (!l_ok(l) || !infer(l, yes, &nothing) || !infer(l, no, &nothing))
        return;
    bool known = m_is_known(l, condition);
    double taken = known ? m_float(l, condition) : 0;
    for (size_t i = 0; i < n_out; i++) {
        value_type a = output_type(yes, i), b = output_type(no, i);
        l_declare_type(l, i, known ? (taken != 0 ? a : b) : either(l, &a, &b));
    }
}

/* ---- Values carried from step to step ------------------------------------------------------------------ */

/* What is known of carried values before every step. Dims that a step changes are not known. */
typedef struct carried_types {
    size_t n;
    value_type *types; /* (n) */
    uint32_t *open;    /* (n) bit d is set once dim d was found to change */
} carried_types;

/* Merges the type that a step gave value i. Returns true where less is known than before. */
static bool widen(lowering *l, carried_types *c, size_t i, const value_type *made)
{
    value_type *t = &c->types[i];
    if (types_unknown(made))
        return false;
    if (types_unknown(t)) {
        *t = *made;
        return true;
    }
    if (!same_kind(t, made)) /* an optional that a step replaces by what it holds */
        return false;
    if (!t->shape.ranked)
        return false;
    if (!made->shape.ranked || made->shape.rank != t->shape.rank) {
        t->shape = (dim_shape){0};
        return true;
    }
    bool changed = false;
    for (int k = 0; k < t->shape.rank; k++) {
        if (dim_same(t->shape.dims[k], made->shape.dims[k]) || c->open[i] >> k & 1)
            continue;
        t->shape.dims[k] = dim_fresh(l->graph->dims);
        c->open[i] |= UINT32_C(1) << k;
        changed = true;
    }
    return changed;
}

/* Infers the body until the types of the carried values are stable. types: of its inputs (first, carried,
   others). The carried values are its outputs from first_out on. */
static void infer_steps(lowering *l, graph *g, value_type *types, carried_types *c, size_t first_in,
                        size_t first_out)
{
    bool changed = true;
    for (int pass = 0; pass <= LOOP_PASSES && changed && l_ok(l); pass++) {
        for (size_t i = 0; i < c->n; i++)
            types[first_in + i] = c->types[i];
        changed = false;
        if (!infer(l, g, types))
            return;
        for (size_t i = 0; i < c->n; i++) {
            value_type made = output_type(g, first_out + i);
            bool wider = widen(l, c, i, &made);
            if (wider && pass == LOOP_PASSES - 1)
                c->types[i].shape = (dim_shape){0};
            changed |= wider;
        }
    }
}

/* The type of a carried value after any number of steps. */
static value_type carried_out(lowering *l, const carried_types *c, size_t i, const value_type *made)
{
    value_type before = c->types[i];
    if (!same_kind(&before, made))
        return *made;
    for (int k = 0; k < before.shape.rank; k++) /* dims that steps change: unknown after the last step */
        if (c->open[i] >> k & 1)
            before.shape.dims[k] = dim_fresh(l->graph->dims);
    return before;
}

/* Types of a body's inputs and of its carried values. */
typedef struct control_room {
    value_type *types; /* (inputs of the body) */
    carried_types c;
} control_room;

static bool room_make(lowering *l, control_room *r, size_t n_in, size_t n_carried)
{
    r->types = types_room(l, n_in);
    r->c = (carried_types){n_carried, types_room(l, n_carried), mem_calloc(n_carried + 1, sizeof(uint32_t))};
    if (!r->c.open)
        l_fail(l, SIB_ERR_MEMORY, "no memory for the types of a subgraph");
    return r->types && r->c.types && r->c.open;
}

static void room_free(control_room *r)
{
    mem_free(r->types);
    mem_free(r->c.types);
    mem_free(r->c.open);
}

/* ---- Loop ---------------------------------------------------------------------------------------------- */

size_t loop_iteration_rank(const graph *body)
{
    const value_type *t = &body->values[body->inputs.ids[0]].declared;
    int64_t n;
    return !t->depth && t->shape.ranked && t->shape.rank == 1 &&
           (!dim_is_const(body->dims, t->shape.dims[0], &n) || n == 1);
}

static void infer_loop(lowering *l, const node *n, graph *g, control_room *r)
{
    size_t n_carried = r->c.n;
    dim one = d_const(l, 1);
    r->types[0] = m_tensor_type(l, SIB_I64, loop_iteration_rank(g), &one);
    r->types[1] = m_tensor_type(l, SIB_BOOL, 0, NULL);
    for (size_t i = 0; i < n_carried && l_ok(l); i++)
        r->c.types[i] = *m_type(l, l_in(l, i + 2));
    infer_steps(l, g, r->types, &r->c, 2, 1);
    for (size_t i = 0; i < n->outputs.n && l_ok(l); i++) {
        value_type made = output_type(g, i + 1);
        l_declare_type(
            l, i, i < n_carried ? carried_out(l, &r->c, i, &made) : with_axis(l, made, 0, true, DIM_NONE));
    }
}

/* v = body(i, condition, v) for i < M while the condition holds; further outputs of the body are stacked
   along a new first axis. ONNX Loop-1, -11, -13, -16. */
void lower_ONNX_Loop(lowering *l, const node *n)
{
    size_t n_carried = n->inputs.n > 2 ? n->inputs.n - 2 : 0;
    graph *g = body_of(l, spec_control(n).body, "body", n_carried + 2, n_carried + 1);
    control_room r = {0};
    if (g && g->outputs.n < n->outputs.n + 1)
        l_fail(l, SIB_ERR_FORMAT, "body has %u outputs, expected the condition and %u more", g->outputs.n,
               n->outputs.n);
    if (g && l_ok(l) && room_make(l, &r, n_carried + 2, n_carried))
        infer_loop(l, n, g, &r);
    room_free(&r);
}

/* ---- Scan ---------------------------------------------------------------------------------------------- */

typedef struct scan_plan {
    size_t first, n_carried, n_scan; /* inputs of the node: carried from `first` on, then scanned */
    bool batched;                    /* Scan-8: axis 0 is a batch, steps are along axis 1 */
    control_spec spec;
} scan_plan;

static void infer_scan(lowering *l, const node *n, graph *g, const scan_plan *p, control_room *r)
{
    dim batch = DIM_NONE, steps = DIM_NONE;
    for (size_t i = 0; i < p->n_carried && l_ok(l); i++) {
        value_type t = *m_type(l, l_in(l, p->first + i));
        if (p->batched)
            batch = axis_size(l, &t, 0);
        r->c.types[i] = p->batched ? with_axis(l, t, 0, false, DIM_NONE) : t;
    }
    for (size_t i = 0; i < p->n_scan && l_ok(l); i++) {
        value_type t = *m_type(l, l_in(l, p->first + p->n_carried + i));
        if (p->batched) {
            batch = axis_size(l, &t, 0);
            t = with_axis(l, t, 0, false, DIM_NONE);
        }
        int64_t axis = p->batched ? 0 : spec_item(p->spec.scan_input_axes, i, 0);
        steps = dim_same(steps, DIM_NONE) ? axis_size(l, &t, axis) : steps;
        r->types[p->n_carried + i] = with_axis(l, t, axis, false, DIM_NONE);
    }
    infer_steps(l, g, r->types, &r->c, 0, 0);
    for (size_t i = 0; i < n->outputs.n && l_ok(l); i++) {
        value_type made = output_type(g, i);
        if (i < p->n_carried)
            made = carried_out(l, &r->c, i, &made);
        else
            made =
                with_axis(l, made, p->batched ? 0 : spec_item(p->spec.scan_output_axes, i - p->n_carried, 0),
                          true, steps);
        l_declare_type(l, i, p->batched ? with_axis(l, made, 0, true, batch) : made);
    }
}

/* (v, y) = body(v, x[t]) for every t along the scan axes; y is stacked. ONNX Scan-8 (batched, with
   lengths), -9, -11. */
void lower_ONNX_Scan(lowering *l, const node *n)
{
    scan_plan p = {.spec = spec_control(n), .batched = n->version < 9};
    p.first = p.batched ? 1 : 0;
    uint64_t scans = (uint64_t)p.spec.num_scan_inputs;
    size_t given = n->inputs.n > p.first ? n->inputs.n - p.first : 0;
    control_room r = {0};
    if (scans > given) {
        l_fail(l, SIB_ERR_ARGUMENT, "num_scan_inputs is %lld, but there are %zu inputs", (long long)scans,
               given);
        return;
    }
    p.n_scan = (size_t)scans;
    p.n_carried = given - p.n_scan;
    graph *g =
        body_of(l, p.spec.body, "body", given, n->outputs.n > p.n_carried ? n->outputs.n : p.n_carried);
    if (g && room_make(l, &r, given, p.n_carried))
        infer_scan(l, n, g, &p, &r);
    room_free(&r);
}

/* ---- SequenceMap --------------------------------------------------------------------------------------- */

/* A sequence of body(item of each sequence, tensors unchanged) per output. ONNX SequenceMap-17. */
void lower_ONNX_SequenceMap(lowering *l, const node *n)
{
    size_t n_in = n->inputs.n;
    graph *g = body_of(l, spec_control(n).body, "body", n_in, n->outputs.n);
    value_type *types = g ? types_room(l, n_in) : NULL;
    for (size_t i = 0; types && i < n_in && l_ok(l); i++) {
        value_type t = *m_type(l, l_in(l, i));
        types[i] = type_outer(&t) == TYPE_SEQUENCE ? type_inner(&t) : t;
    }
    if (types && l_ok(l) && infer(l, g, types))
        for (size_t i = 0; i < n->outputs.n; i++)
            l_declare_type(l, i, type_wrap(TYPE_SEQUENCE, output_type(g, i)));
    mem_free(types);
}
