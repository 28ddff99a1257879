/* The operators that run graphs: If, Loop, Scan and SequenceMap. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "run/execute.h"
#include "run/stack.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

/* ---- Running a body ---------------------------------------------------------------------------------- */

/* A subgraph being run, once or many times. */
typedef struct body {
    frame *f;
    const node *n;
    const graph *g;
    executor *ex;
    const sib_value **captured; /* (g->n_captures) */
    sib_value **owned;          /* (g->n_captures) those made of constants */
    const sib_value **in;       /* (g->inputs.n) borrowed */
    sib_value **out;            /* (g->outputs.n) of the last run; taken by whoever clears the entry */
} body;

static void body_free(body *b)
{
    for (uint32_t i = 0; b->owned && i < b->g->n_captures; i++)
        sib_value_free(&b->owned[i]);
    for (uint32_t i = 0; b->out && i < b->g->outputs.n; i++)
        sib_value_free(&b->out[i]);
    mem_free(b->captured);
    mem_free(b->owned);
    mem_free(b->in);
    mem_free(b->out);
}

static sib_code body_make(body *b, frame *f, const node *n, const char *which, size_t n_in, sib_error *err)
{
    *b = (body){.f = f, .n = n, .g = attr_graph(n, which)};
    b->ex = b->g ? executor_of(f->ex->set, b->g) : NULL;
    if (!b->ex)
        return err_set(err, SIB_ERR_FORMAT, "attribute '%s' is missing", which);
    if (n_in != SIZE_MAX && b->g->inputs.n != n_in)
        return err_set(err, SIB_ERR_FORMAT, "'%s' has %u inputs where %zu are given", which, b->g->inputs.n,
                       n_in);
    b->captured = mem_calloc((size_t)b->g->n_captures + 1, sizeof *b->captured);
    b->owned = mem_calloc((size_t)b->g->n_captures + 1, sizeof *b->owned);
    b->in = mem_calloc((size_t)b->g->inputs.n + 1, sizeof *b->in);
    b->out = mem_calloc((size_t)b->g->outputs.n + 1, sizeof *b->out);
    if (!b->captured || !b->owned || !b->in || !b->out)
        return err_memory(err, b->g->inputs.n * sizeof *b->in, "a subgraph");
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < b->g->n_captures && code == SIB_OK; i++)
        if (!graph_constant_behind(b->g, b->g->captures[i].inner)) /* plans find constants themselves */
            code = frame_value(f, b->g->captures[i].outer, &b->captured[i], &b->owned[i], err);
    return code;
}

/* Runs it with b->in. turn < 0: no number in the names that taps see. */
static sib_code body_run(body *b, int64_t turn, sib_error *err)
{
    char path[400];
    sib_str name = b->n->name.length ? b->n->name : b->n->type;
    for (uint32_t i = 0; i < b->g->outputs.n; i++)
        sib_value_free(&b->out[i]);
    if (turn < 0)
        snprintf(path, sizeof path, "%s%.*s/", b->f->path, (int)name.length, name.data);
    else
        snprintf(path, sizeof path, "%s%.*s[%lld]/", b->f->path, (int)name.length, name.data,
                 (long long)turn);
    return execute_graph(b->ex, b->f->run, path, b->in, b->captured, b->out, err);
}

static sib_value *take(sib_value **v)
{
    sib_value *taken = *v;
    *v = NULL;
    return taken;
}

static void set_output(frame *f, const node *n, size_t i, sib_value *v)
{
    if (i < n->outputs.n && n->outputs.ids[i] != NO_VALUE)
        frame_set(f, n->outputs.ids[i], v);
    else
        sib_value_free(&v);
}

/* ---- Inputs of the node ------------------------------------------------------------------------------- */

/* Input i, NULL where it is omitted. *owned: to be freed. */
static sib_code input(frame *f, const node *n, size_t i, const sib_value **out, sib_value **owned,
                      sib_error *err)
{
    *out = NULL;
    *owned = NULL;
    if (i >= n->inputs.n || n->inputs.ids[i] == NO_VALUE)
        return SIB_OK;
    return frame_value(f, n->inputs.ids[i], out, owned, err);
}

/* A copy of input i, which must be there. */
static sib_code input_copy(frame *f, const node *n, size_t i, sib_value **out, sib_error *err)
{
    const sib_value *v;
    sib_code code = input(f, n, i, &v, out, err);
    if (code == SIB_OK && !v)
        return err_set(err, SIB_ERR_ARGUMENT, "input %zu is missing", i);
    return code == SIB_OK && !*out ? sib_value_copy(v, out, err) : code;
}

/* The one element of a tensor of a dtype, bool or of whole numbers. */
static sib_code single(const sib_value *v, sib_dtype dtype, const char *what, int64_t *out, sib_error *err)
{
    const sib_tensor *t = v ? sib_value_tensor(v) : NULL;
    sib_tensor *whole = NULL;
    if (!t || sib_tensor_count(t) != 1)
        return err_set(err, SIB_ERR_ARGUMENT, "%s must be a tensor of one element", what);
    if (sib_tensor_dtype(t) != dtype)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is of %s, expected %s", what,
                       sib_dtype_name(sib_tensor_dtype(t)), sib_dtype_name(dtype));
    sib_code code = sib_tensor_convert(t, SIB_I64, SIB_OVERFLOW_IEEE, &whole, err);
    if (code == SIB_OK)
        *out = *(const int64_t *)whole->data;
    sib_tensor_free(&whole);
    return code;
}

static sib_code scalar_value(sib_dtype dtype, int64_t number, sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_create(dtype, 0, NULL, &t, err);
    if (code == SIB_OK)
        code = sib_tensor_set(t, (int64_t[]){0}, (double)number, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

/* ---- If ------------------------------------------------------------------------------------------------ */

static sib_code run_if(frame *f, const node *n, sib_error *err)
{
    const sib_value *v;
    sib_value *owned = NULL;
    int64_t condition = 0;
    body b = {0};
    sib_code code = input(f, n, 0, &v, &owned, err);
    if (code == SIB_OK)
        code = single(v, SIB_BOOL, "the condition", &condition, err);
    sib_value_free(&owned);
    if (code != SIB_OK)
        return code;
    code = body_make(&b, f, n, condition ? "then_branch" : "else_branch", 0, err);
    if (code == SIB_OK && b.g->outputs.n < n->outputs.n)
        code = err_set(err, SIB_ERR_FORMAT, "its branch has %u outputs where %u are wanted", b.g->outputs.n,
                       n->outputs.n);
    if (code == SIB_OK)
        code = body_run(&b, -1, err);
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++)
        set_output(f, n, i, take(&b.out[i]));
    body_free(&b);
    return code;
}

/* ---- Outputs that grow with every step ------------------------------------------------------------------ */

typedef struct gathered {
    sib_value **items; /* (n) owned */
    size_t n, capacity;
    run_state *run; /* whose memory the items count to */
    uint64_t bytes;
} gathered;

/* Takes v over, also where it fails. */
static sib_code gathered_add(gathered *g, run_state *run, sib_value *v, sib_error *err)
{
    if (g->n == g->capacity) {
        size_t more = g->capacity ? 2 * g->capacity : 8;
        sib_value **grown = mem_realloc(g->items, more, sizeof *grown);
        if (!grown) {
            sib_value_free(&v);
            return err_memory(err, more * sizeof *grown, "the outputs of a loop");
        }
        g->items = grown;
        g->capacity = more;
    }
    g->items[g->n++] = v;
    uint64_t bytes = run_bytes(v) + RUN_ITEM_BYTES;
    g->run = run;
    g->bytes += bytes;
    return run_charge(run, bytes, "the outputs of its turns", err);
}

static void gathered_free(gathered *g)
{
    for (size_t i = 0; i < g->n; i++)
        sib_value_free(&g->items[i]);
    mem_free(g->items);
    if (g->run)
        g->run->memory -= g->bytes;
    *g = (gathered){0};
}

/* The items along a new axis; of none an empty tensor of the type that the body says, with 0 for dims that sizes does
   not give. */
static sib_code gathered_join(const gathered *g, const graph *body_graph, value_id out_id, int64_t axis,
                              const dim_binding *sizes, sib_value **out, sib_error *err)
{
    if (g->n)
        return stack_join(g->n, g->items, axis, out, err);
    const value_type *t = &body_graph->values[out_id].type;
    int64_t dims[SIB_MAX_RANK] = {0};
    size_t rank = (size_t)t->shape.rank + 1;
    sib_tensor *empty = NULL;
    if (rank > SIB_MAX_RANK || !t->dtype)
        return err_set(err, SIB_ERR_ARGUMENT, "an output of no steps whose type the body does not say");
    size_t at = (size_t)(axis < 0 ? axis + (int64_t)rank : axis);
    for (size_t i = 0, from = 0; i < rank; i++)
        if (i != at && dim_eval(body_graph->dims, t->shape.dims[from++], sizes, &dims[i], NULL) != SIB_OK)
            dims[i] = 0;
    sib_code code = sib_tensor_create(t->dtype, rank, dims, &empty, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(empty, out, err);
    sib_tensor_free(&empty);
    return code;
}

/* ---- Loop ----------------------------------------------------------------------------------------------- */

typedef struct loop_run {
    body b;
    size_t n_carried, n_gathered;
    sib_value **carried; /* (n_carried) owned */
    gathered *gathered;  /* (n_gathered) */
    dim_binding sizes;   /* of the body's symbols, where it takes no step */
} loop_run;

static void loop_free(loop_run *r)
{
    for (size_t i = 0; r->carried && i < r->n_carried; i++)
        sib_value_free(&r->carried[i]);
    for (size_t i = 0; r->gathered && i < r->n_gathered; i++)
        gathered_free(&r->gathered[i]);
    mem_free(r->carried);
    mem_free(r->gathered);
    dim_binding_clear(&r->sizes);
    body_free(&r->b);
}

static sib_code loop_make(loop_run *r, sib_error *err)
{
    r->carried = mem_calloc(r->n_carried + 1, sizeof *r->carried);
    r->gathered = mem_calloc(r->n_gathered + 1, sizeof *r->gathered);
    return r->carried && r->gathered ? SIB_OK : err_memory(err, r->n_carried * sizeof *r->carried, "a loop");
}

/* Gives symbols among the dims of the body's value `id` the sizes that v has; left_out: an axis of v that the body's
   value lacks, or SIZE_MAX. */
static sib_code bind_sizes(loop_run *r, value_id id, const sib_value *v, size_t left_out, sib_error *err)
{
    const graph *g = r->b.g;
    const dim_shape *s = &g->values[id].type.shape;
    const sib_tensor *t = v ? sib_value_tensor(v) : NULL;
    sib_str name;
    sib_code code = SIB_OK;
    if (!t || !s->ranked || (size_t)s->rank + (left_out != SIZE_MAX) != t->rank)
        return SIB_OK;
    for (size_t i = 0; i < (size_t)s->rank && code == SIB_OK; i++)
        if (dim_is_symbol(g->dims, s->dims[i], &name))
            code = dim_bind(g->dims, &r->sizes, s->dims[i], t->dims[i + (i >= left_out)], err);
    return code;
}

/* The sizes of what a body that takes no step would read: captures, and carried values as its inputs from `first` on. */
static sib_code loop_sizes(loop_run *r, size_t first, sib_error *err)
{
    const graph *g = r->b.g;
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < g->n_captures && code == SIB_OK; i++)
        code = bind_sizes(r, g->captures[i].inner, r->b.captured[i], SIZE_MAX, err);
    for (size_t i = 0; i < r->n_carried && code == SIB_OK; i++)
        code = bind_sizes(r, g->inputs.ids[first + i], r->carried[i], SIZE_MAX, err);
    return code;
}

/* One pass: b.out is [condition, carried..., gathered...]. */
static sib_code loop_step(loop_run *r, int64_t turn, int64_t *go_on, sib_error *err)
{
    sib_value *iteration = NULL, *condition = NULL;
    sib_code code = scalar_value(SIB_I64, turn, &iteration, err);
    if (code == SIB_OK)
        code = scalar_value(SIB_BOOL, *go_on, &condition, err);
    r->b.in[0] = iteration;
    r->b.in[1] = condition;
    for (size_t i = 0; i < r->n_carried; i++)
        r->b.in[2 + i] = r->carried[i];
    if (code == SIB_OK)
        code = body_run(&r->b, turn, err);
    if (code == SIB_OK)
        code = single(r->b.out[0], SIB_BOOL, "the condition", go_on, err);
    for (size_t i = 0; i < r->n_carried && code == SIB_OK; i++) {
        sib_value_free(&r->carried[i]);
        r->carried[i] = take(&r->b.out[1 + i]);
    }
    for (size_t i = 0; i < r->n_gathered && code == SIB_OK; i++)
        code = gathered_add(&r->gathered[i], r->b.f->run, take(&r->b.out[1 + r->n_carried + i]), err);
    sib_value_free(&iteration);
    sib_value_free(&condition);
    return code;
}

static sib_code run_loop(frame *f, const node *n, sib_error *err)
{
    int64_t limit = INT64_MAX, go_on = 1;
    const sib_value *v;
    sib_value *owned = NULL;
    sib_code code = input(f, n, 0, &v, &owned, err);
    if (code == SIB_OK && v)
        code = single(v, SIB_I64, "the trip count", &limit, err);
    sib_value_free(&owned);
    if (code == SIB_OK)
        code = input(f, n, 1, &v, &owned, err);
    if (code == SIB_OK && v)
        code = single(v, SIB_BOOL, "the condition", &go_on, err);
    sib_value_free(&owned);
    if (code != SIB_OK)
        return code;
    loop_run r = {.n_carried = n->inputs.n > 2 ? n->inputs.n - 2 : 0};
    code = body_make(&r.b, f, n, "body", r.n_carried + 2, err);
    if (code == SIB_OK && r.b.g->outputs.n < r.n_carried + 1)
        code = err_set(err, SIB_ERR_FORMAT,
                       "its body has %u outputs, fewer than the condition and %zu carried values",
                       r.b.g->outputs.n, r.n_carried);
    if (code == SIB_OK) {
        r.n_gathered = r.b.g->outputs.n - 1 - r.n_carried;
        code = loop_make(&r, err);
    }
    for (size_t i = 0; i < r.n_carried && code == SIB_OK; i++)
        code = input_copy(f, n, i + 2, &r.carried[i], err);
    if (code == SIB_OK && (limit <= 0 || !go_on))
        code = loop_sizes(&r, 2, err);
    for (int64_t turn = 0; turn < limit && go_on && code == SIB_OK; turn++)
        code = loop_step(&r, turn, &go_on, err);
    for (size_t i = 0; i < r.n_carried && code == SIB_OK; i++)
        set_output(f, n, i, take(&r.carried[i]));
    for (size_t i = 0; i < r.n_gathered && code == SIB_OK; i++) {
        sib_value *joined = NULL;
        code = gathered_join(&r.gathered[i], r.b.g, r.b.g->outputs.ids[1 + r.n_carried + i], 0, &r.sizes,
                             &joined, err);
        if (code == SIB_OK)
            set_output(f, n, r.n_carried + i, joined);
    }
    loop_free(&r);
    return code;
}

/* ---- Scan ------------------------------------------------------------------------------------------------ */

/* What of a Scan does not change from step to step. */
typedef struct scan_shape {
    size_t n_scan;
    const int64_t *in_axes, *in_backward, *out_axes, *out_backward; /* NULL: zeros */
    size_t n_in_axes, n_in_backward, n_out_axes, n_out_backward;
} scan_shape;

static int64_t listed(const int64_t *list, size_t n, size_t i)
{
    return i < n ? list[i] : 0;
}

/* The sizes of what a body that takes no step would read. */
static sib_code scan_sizes(loop_run *r, const scan_shape *s, const sib_value *const *scanned, sib_error *err)
{
    sib_code code = loop_sizes(r, 0, err);
    for (size_t i = 0; i < s->n_scan && code == SIB_OK; i++) {
        int64_t axis = listed(s->in_axes, s->n_in_axes, i);
        size_t rank = sib_tensor_rank(sib_value_tensor(scanned[i]));
        code = bind_sizes(r, r->b.g->inputs.ids[r->n_carried + i], scanned[i],
                          (size_t)(axis < 0 ? axis + (int64_t)rank : axis), err);
    }
    return code;
}

/* Runs the steps over scanned inputs (n_scan), which have the steps along their axes; the carried values are in r. */
static sib_code scan_steps(loop_run *r, const scan_shape *s, const sib_value *const *scanned, int64_t steps,
                           sib_error *err)
{
    sib_code code = SIB_OK;
    sib_value **parts = mem_calloc(s->n_scan + 1, sizeof *parts);
    if (!parts)
        return err_memory(err, s->n_scan * sizeof *parts, "a scan");
    if (steps == 0)
        code = scan_sizes(r, s, scanned, err);
    for (int64_t turn = 0; turn < steps && code == SIB_OK; turn++) {
        for (size_t i = 0; i < r->n_carried; i++)
            r->b.in[i] = r->carried[i];
        for (size_t i = 0; i < s->n_scan && code == SIB_OK; i++) {
            int64_t at = listed(s->in_backward, s->n_in_backward, i) ? steps - 1 - turn : turn;
            code = stack_part(sib_value_tensor(scanned[i]), listed(s->in_axes, s->n_in_axes, i), at,
                              &parts[i], err);
            r->b.in[r->n_carried + i] = parts[i];
        }
        if (code == SIB_OK)
            code = body_run(&r->b, turn, err);
        for (size_t i = 0; i < r->n_carried && code == SIB_OK; i++) {
            sib_value_free(&r->carried[i]);
            r->carried[i] = take(&r->b.out[i]);
        }
        for (size_t i = 0; i < r->n_gathered && code == SIB_OK; i++)
            code = gathered_add(&r->gathered[i], r->b.f->run, take(&r->b.out[r->n_carried + i]), err);
        for (size_t i = 0; i < s->n_scan; i++)
            sib_value_free(&parts[i]);
    }
    mem_free(parts);
    return code;
}

/* Joins what was gathered of output i. */
static sib_code scan_output(loop_run *r, const scan_shape *s, size_t i, sib_value **out, sib_error *err)
{
    gathered *g = &r->gathered[i];
    if (listed(s->out_backward, s->n_out_backward, i))
        for (size_t a = 0, b = g->n; a + 1 < b; a++) {
            sib_value *t = g->items[a];
            g->items[a] = g->items[--b];
            g->items[b] = t;
        }
    return gathered_join(g, r->b.g, r->b.g->outputs.ids[r->n_carried + i],
                         listed(s->out_axes, s->n_out_axes, i), &r->sizes, out, err);
}

/* The number of steps, which all scanned inputs share. */
static sib_code scan_length(const scan_shape *s, const sib_value *const *scanned, int64_t *out,
                            sib_error *err)
{
    *out = -1;
    for (size_t i = 0; i < s->n_scan; i++) {
        const sib_tensor *t = sib_value_tensor(scanned[i]);
        int64_t axis = listed(s->in_axes, s->n_in_axes, i);
        if (!t || axis < -(int64_t)t->rank || axis >= (int64_t)t->rank)
            return err_set(err, SIB_ERR_ARGUMENT, "scanned input %zu has no axis %lld", i, (long long)axis);
        int64_t n = t->dims[axis < 0 ? axis + (int64_t)t->rank : axis];
        if (*out >= 0 && n != *out)
            return err_set(err, SIB_ERR_ARGUMENT, "scanned input %zu has %lld steps, those before %lld", i,
                           (long long)n, (long long)*out);
        *out = n;
    }
    return *out < 0 ? err_set(err, SIB_ERR_ARGUMENT, "nothing is scanned") : SIB_OK;
}

static sib_code scan_begin(loop_run *r, scan_shape *s, frame *f, const node *n, size_t first, sib_error *err)
{
    int64_t scans = attr_int(n, "num_scan_inputs", 0);
    size_t given = n->inputs.n > first ? n->inputs.n - first : 0;
    if (scans < 1 || (size_t)scans > given)
        return err_set(err, SIB_ERR_FORMAT, "num_scan_inputs is %lld of %zu inputs", (long long)scans, given);
    *s = (scan_shape){.n_scan = (size_t)scans};
    *r = (loop_run){.n_carried = given - s->n_scan};
    sib_code code = body_make(&r->b, f, n, "body", given, err);
    if (code == SIB_OK && r->b.g->outputs.n < r->n_carried)
        code = err_set(err, SIB_ERR_FORMAT, "its body has %u outputs for %zu carried values",
                       r->b.g->outputs.n, r->n_carried);
    if (code == SIB_OK)
        r->n_gathered = r->b.g->outputs.n - r->n_carried;
    return code == SIB_OK ? loop_make(r, err) : code;
}

static sib_code run_scan(frame *f, const node *n, sib_error *err)
{
    loop_run r = {0};
    scan_shape s;
    int64_t steps = 0;
    sib_value **owned = NULL;
    const sib_value **scanned = NULL;
    sib_code code = scan_begin(&r, &s, f, n, 0, err);
    if (code == SIB_OK) {
        s.in_axes = attr_ints(n, "scan_input_axes", &s.n_in_axes);
        s.in_backward = attr_ints(n, "scan_input_directions", &s.n_in_backward);
        s.out_axes = attr_ints(n, "scan_output_axes", &s.n_out_axes);
        s.out_backward = attr_ints(n, "scan_output_directions", &s.n_out_backward);
        owned = mem_calloc(s.n_scan, sizeof *owned);
        scanned = mem_calloc(s.n_scan, sizeof *scanned);
        if (!owned || !scanned)
            code = err_memory(err, s.n_scan * sizeof *owned, "a scan");
    }
    for (size_t i = 0; i < r.n_carried && code == SIB_OK; i++)
        code = input_copy(f, n, i, &r.carried[i], err);
    for (size_t i = 0; i < s.n_scan && code == SIB_OK; i++) {
        code = input_copy(f, n, r.n_carried + i, &owned[i], err);
        scanned[i] = owned[i];
    }
    if (code == SIB_OK)
        code = scan_length(&s, scanned, &steps, err);
    if (code == SIB_OK)
        code = scan_steps(&r, &s, scanned, steps, err);
    for (size_t i = 0; i < r.n_carried && code == SIB_OK; i++)
        set_output(f, n, i, take(&r.carried[i]));
    for (size_t i = 0; i < r.n_gathered && code == SIB_OK; i++) {
        sib_value *joined = NULL;
        code = scan_output(&r, &s, i, &joined, err);
        if (code == SIB_OK)
            set_output(f, n, r.n_carried + i, joined);
    }
    for (size_t i = 0; owned && i < s.n_scan; i++)
        sib_value_free(&owned[i]);
    mem_free(owned);
    mem_free(scanned);
    loop_free(&r);
    return code;
}

/* ---- Scan of opset 8: a batch, each row with a length of its own ------------------------------------------- */

/* Appends zeros to what is gathered of output i until there are n items: like the items before them or, of none, of the
   type that the body says. */
static sib_code gathered_fill(loop_run *r, size_t i, size_t n, sib_error *err)
{
    const graph *body_graph = r->b.g;
    gathered *g = &r->gathered[i];
    const value_type *t = &body_graph->values[body_graph->outputs.ids[r->n_carried + i]].type;
    const sib_tensor *like = g->n ? sib_value_tensor(g->items[0]) : NULL;
    sib_dtype dtype = like ? sib_tensor_dtype(like) : t->dtype;
    size_t rank = like ? sib_tensor_rank(like) : t->shape.rank;
    int64_t dims[SIB_MAX_RANK] = {0};
    bool known = (like || t->shape.ranked) && dtype;
    for (size_t k = 0; k < rank && known; k++)
        if (like)
            dims[k] = sib_tensor_dims(like)[k];
        else
            known = dim_eval(body_graph->dims, t->shape.dims[k], &r->sizes, &dims[k], NULL) == SIB_OK;
    if (g->n < n && !known)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "a row of no steps, with an output whose type the body does not say");
    sib_code code = SIB_OK;
    while (g->n < n && code == SIB_OK) {
        sib_tensor *zeros = NULL;
        sib_value *v = NULL;
        code = sib_tensor_create(dtype, rank, dims, &zeros, err);
        if (code == SIB_OK)
            code = sib_value_from_tensor(zeros, &v, err);
        sib_tensor_free(&zeros);
        if (code == SIB_OK)
            code = gathered_add(g, r->b.f->run, v, err);
    }
    return code;
}

/* Row `row` of a batch: inputs of the node from 1 on, cut to that row. Beyond the length of the row its outputs are 0. */
static sib_code scan8_row(frame *f, const node *n, int64_t row, const int64_t *lengths, gathered *rows,
                          sib_error *err)
{
    loop_run r = {0};
    scan_shape s;
    int64_t steps = 0, longest = 0;
    size_t given = n->inputs.n - 1;
    sib_value **parts = mem_calloc(given + 1, sizeof *parts);
    sib_code code =
        parts ? scan_begin(&r, &s, f, n, 1, err) : err_memory(err, given * sizeof *parts, "a scan");
    for (size_t i = 0; i < given && code == SIB_OK; i++) {
        sib_value *whole = NULL;
        code = input_copy(f, n, i + 1, &whole, err);
        if (code == SIB_OK && !sib_value_tensor(whole))
            code = err_set(err, SIB_ERR_ARGUMENT, "input %zu is no tensor", i + 1);
        if (code == SIB_OK)
            code = stack_part(sib_value_tensor(whole), 0, row, &parts[i], err);
        sib_value_free(&whole);
        if (code == SIB_OK && i < r.n_carried)
            r.carried[i] = take(&parts[i]);
    }
    if (code == SIB_OK) {
        s.in_backward = attr_ints(n, "directions", &s.n_in_backward);
        code = scan_length(&s, (const sib_value *const *)parts + r.n_carried, &steps, err);
    }
    longest = steps;
    if (code == SIB_OK && lengths) {
        if (lengths[row] < 0 || lengths[row] > steps)
            code = err_set(err, SIB_ERR_ARGUMENT, "row %lld is %lld steps long of %lld", (long long)row,
                           (long long)lengths[row], (long long)steps);
        steps = lengths[row];
    }
    if (code == SIB_OK)
        code = scan_steps(&r, &s, (const sib_value *const *)parts + r.n_carried, steps, err);
    for (size_t i = 0; i < r.n_gathered && code == SIB_OK; i++)
        code = gathered_fill(&r, i, (size_t)longest, err);
    for (size_t i = 0; i < r.n_carried + r.n_gathered && code == SIB_OK; i++) {
        sib_value *made = NULL;
        if (i < r.n_carried)
            made = take(&r.carried[i]);
        else
            code = scan_output(&r, &s, i - r.n_carried, &made, err);
        if (code == SIB_OK && i < n->outputs.n)
            code = gathered_add(&rows[i], f->run, made, err);
        else
            sib_value_free(&made);
    }
    for (size_t i = 0; parts && i < given; i++)
        sib_value_free(&parts[i]);
    mem_free(parts);
    loop_free(&r);
    return code;
}

static sib_code run_scan8(frame *f, const node *n, sib_error *err)
{
    sib_value *lengths = NULL, *first = NULL;
    sib_tensor *whole = NULL;
    const sib_value *v;
    gathered *rows = mem_calloc((size_t)n->outputs.n + 1, sizeof *rows);
    int64_t batch = 0;
    sib_code code =
        rows ? input_copy(f, n, 1, &first, err) : err_memory(err, n->outputs.n * sizeof *rows, "a scan");
    if (code == SIB_OK && (!sib_value_tensor(first) || !sib_tensor_rank(sib_value_tensor(first))))
        code = err_set(err, SIB_ERR_ARGUMENT, "input 1 has no batch axis");
    if (code == SIB_OK) {
        batch = sib_tensor_dims(sib_value_tensor(first))[0];
        code = input(f, n, 0, &v, &lengths, err);
    }
    if (code == SIB_OK && v) {
        if (!sib_value_tensor(v) || sib_tensor_count(sib_value_tensor(v)) != (uint64_t)batch)
            code = err_set(err, SIB_ERR_ARGUMENT, "sequence_lens has not %lld elements, one a row",
                           (long long)batch);
        else
            code = sib_tensor_convert(sib_value_tensor(v), SIB_I64, SIB_OVERFLOW_IEEE, &whole, err);
    }
    for (int64_t row = 0; row < batch && code == SIB_OK; row++)
        code = scan8_row(f, n, row, whole ? (const int64_t *)whole->data : NULL, rows, err);
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
        sib_value *joined = NULL;
        code = rows[i].n ? stack_join(rows[i].n, rows[i].items, 0, &joined, err)
                         : err_set(err, SIB_ERR_ARGUMENT, "a scan over no rows");
        if (code == SIB_OK)
            set_output(f, n, i, joined);
    }
    for (uint32_t i = 0; rows && i < n->outputs.n; i++)
        gathered_free(&rows[i]);
    mem_free(rows);
    sib_tensor_free(&whole);
    sib_value_free(&lengths);
    sib_value_free(&first);
    return code;
}

/* ---- SequenceMap ---------------------------------------------------------------------------------------------- */

static sib_code run_sequence_map(frame *f, const node *n, sib_error *err)
{
    body b = {0};
    gathered *made = mem_calloc((size_t)n->outputs.n + 1, sizeof *made);
    sib_value **given = mem_calloc((size_t)n->inputs.n + 1, sizeof *given);
    sib_code code = made && given ? body_make(&b, f, n, "body", n->inputs.n, err)
                                  : err_memory(err, n->outputs.n * sizeof *made, "a sequence");
    for (uint32_t i = 0; i < n->inputs.n && code == SIB_OK; i++)
        code = input_copy(f, n, i, &given[i], err);
    if (code == SIB_OK && (!n->inputs.n || sib_value_get_kind(given[0]) != SIB_VALUE_SEQUENCE))
        code = err_set(err, SIB_ERR_ARGUMENT, "input 0 is no sequence");
    if (code == SIB_OK && b.g->outputs.n < n->outputs.n)
        code = err_set(err, SIB_ERR_FORMAT, "its body has %u outputs where %u are wanted", b.g->outputs.n,
                       n->outputs.n);
    size_t steps = code == SIB_OK ? sib_value_count(given[0]) : 0;
    for (size_t turn = 0; turn < steps && code == SIB_OK; turn++) {
        for (uint32_t i = 0; i < n->inputs.n && code == SIB_OK; i++) {
            bool sequence = sib_value_get_kind(given[i]) == SIB_VALUE_SEQUENCE;
            if (sequence && sib_value_count(given[i]) != steps)
                code = err_set(err, SIB_ERR_ARGUMENT, "input %u has %zu items, input 0 has %zu", i,
                               sib_value_count(given[i]), steps);
            b.in[i] = sequence ? sib_value_item(given[i], turn) : given[i];
        }
        if (code == SIB_OK)
            code = body_run(&b, (int64_t)turn, err);
        for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++)
            code = gathered_add(&made[i], f->run, take(&b.out[i]), err);
    }
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
        sib_value *sequence = NULL;
        code = sib_value_sequence(made[i].n, (const sib_value *const *)made[i].items, &sequence, err);
        if (code == SIB_OK)
            set_output(f, n, i, sequence);
    }
    for (uint32_t i = 0; made && i < n->outputs.n; i++)
        gathered_free(&made[i]);
    for (uint32_t i = 0; given && i < n->inputs.n; i++)
        sib_value_free(&given[i]);
    mem_free(made);
    mem_free(given);
    body_free(&b);
    return code;
}

/* ---- All of them ------------------------------------------------------------------------------------------------ */

sib_code execute_control(frame *f, node_id id, sib_error *err)
{
    const node *n = &f->ex->g->nodes[id];
    sib_error why = SIB_ERROR_INIT;
    sib_code code;
    switch (n->op->control) {
    case CONTROL_IF:
        code = run_if(f, n, &why);
        break;
    case CONTROL_LOOP:
        code = run_loop(f, n, &why);
        break;
    case CONTROL_SCAN:
        code = n->version < 9 ? run_scan8(f, n, &why) : run_scan(f, n, &why);
        break;
    case CONTROL_SEQUENCE_MAP:
        code = run_sequence_map(f, n, &why);
        break;
    default:
        code = err_set(&why, SIB_ERR_UNSUPPORTED, "control flow of an unknown kind");
        break;
    }
    if (code == SIB_OK)
        return SIB_OK;
    char name[160];
    return err_set(err, code, "node %s: %s", node_text(f->ex->g, n, name, sizeof name), why.message);
}
