/* Scan. */
#include "run/execute/control.h"

#include "base/error.h"

/* The properties of a Scan that are the same for all steps. */
typedef struct scan_shape {
    size_t n_scan;
    spec_ints in_axes, in_backward, out_axes, out_backward; /* missing items count as 0 */
} scan_shape;

/* Reads the shape of a Scan and readies its body. first: inputs of the node before the carried ones. */
static sib_code scan_begin(control *c, scan_shape *s, const frame *f, const node *n, size_t first,
                           sib_error *err)
{
    body *b = &c->bodies[0];
    int64_t scans = c->spec.num_scan_inputs;
    size_t given = n->inputs.n > first ? n->inputs.n - first : 0;
    if (scans < 1 || (size_t)scans > given)
        return err_set(err, SIB_ERR_FORMAT, "num_scan_inputs is %lld of %zu inputs", (long long)scans, given);
    *s = (scan_shape){.n_scan = (size_t)scans, .in_backward = c->spec.scan_input_directions};
    c->n_carried = given - s->n_scan;
    sib_code code = body_begin(b, f, c->spec.body, "body", given, err);
    if (code == SIB_OK && b->g->outputs.n < c->n_carried)
        code = err_set(err, SIB_ERR_FORMAT, "its body has %u outputs for %zu carried values", b->g->outputs.n,
                       c->n_carried);
    if (code == SIB_OK)
        c->n_stacks = b->g->outputs.n - c->n_carried;
    return code;
}

/* The number of steps, which all scanned inputs (s->n_scan) must share. */
static sib_code scan_length(const scan_shape *s, const slice *scanned, int64_t *out, sib_error *err)
{
    *out = -1;
    for (size_t i = 0; i < s->n_scan; i++) {
        const sib_tensor *t = sib_value_tensor(scanned[i].from);
        int64_t axis = spec_item(s->in_axes, i, 0);
        if (!t || axis < -(int64_t)t->rank || axis >= (int64_t)t->rank)
            return err_set(err, SIB_ERR_ARGUMENT, "scanned input %zu has no axis %lld", i, (long long)axis);
        int64_t n = t->dims[axis < 0 ? axis + (int64_t)t->rank : axis];
        if (*out >= 0 && n != *out)
            return err_set(err, SIB_ERR_ARGUMENT, "scanned input %zu has %lld steps, those before %lld", i,
                           (long long)n, (long long)*out);
        *out = n;
    }
    return *out < 0 ? err_set(err, SIB_ERR_ARGUMENT, "there is no input to scan") : SIB_OK;
}

/* Binds the symbols of a body that runs no step. */
static sib_code scan_sizes(control *c, const scan_shape *s, sib_error *err)
{
    sib_code code = loop_sizes(c, 0, err);
    for (size_t i = 0; i < s->n_scan && code == SIB_OK; i++) {
        int64_t axis = spec_item(s->in_axes, i, 0);
        size_t rank = sib_tensor_rank(sib_value_tensor(c->slices[i].from));
        code = loop_bind(c, c->bodies[0].g->inputs.ids[c->n_carried + i], c->slices[i].from,
                         (size_t)(axis < 0 ? axis + (int64_t)rank : axis), err);
    }
    return code;
}

/* Runs the steps over c's slices, each of at least that many along its axis. room: parts that the stacks
   hold. */
static sib_code scan_steps(const frame *f, const node *n, control *c, const scan_shape *s, int64_t steps,
                           int64_t room, sib_error *err)
{
    body *b = &c->bodies[0];
    sib_code code = SIB_OK;
    for (size_t i = 0; i < c->n_stacks; i++)
        stack_begin(&c->stacks[i], f->run, control_max_spares(f), spec_item(s->out_axes, i, 0),
                    spec_item(s->out_backward, i, 0) != 0, room);
    if (steps == 0)
        code = scan_sizes(c, s, err);
    for (int64_t index = 0; index < steps && code == SIB_OK; index++) {
        for (size_t i = 0; i < c->n_carried; i++)
            b->in[i] = c->carried[i];
        for (size_t i = 0; i < s->n_scan && code == SIB_OK; i++) {
            int64_t at = spec_item(s->in_backward, i, 0) ? steps - 1 - index : index;
            code = slice_cut(&c->slices[i], sib_value_tensor(c->slices[i].from), spec_item(s->in_axes, i, 0),
                             at, err);
            b->in[c->n_carried + i] = c->slices[i].value;
        }
        if (code == SIB_OK)
            code = body_run(b, f, n, index, err);
        if (code == SIB_OK)
            code = loop_carry(c, 0, index, err);
    }
    return code;
}

static sib_code scan_all(frame *f, const node *n, control *c, sib_error *err)
{
    scan_shape s;
    int64_t steps = 0;
    sib_code code = scan_begin(c, &s, f, n, 0, err);
    if (code != SIB_OK)
        return code;
    s.in_axes = c->spec.scan_input_axes;
    s.out_axes = c->spec.scan_output_axes;
    s.out_backward = c->spec.scan_output_directions;
    for (size_t i = 0; i < c->n_carried && code == SIB_OK; i++)
        code = control_share(f, n, i, &c->carried[i], err);
    for (size_t i = 0; i < s.n_scan && code == SIB_OK; i++) {
        code = control_input(f, n, c->n_carried + i, &c->slices[i].from, err);
        if (code == SIB_OK && !c->slices[i].from)
            code = err_set(err, SIB_ERR_ARGUMENT, "input %zu is missing", c->n_carried + i);
    }
    if (code == SIB_OK)
        code = scan_length(&s, c->slices, &steps, err);
    if (code == SIB_OK)
        code = scan_steps(f, n, c, &s, steps, steps, err);
    for (size_t i = 0; i < c->n_carried && code == SIB_OK; i++)
        control_output(f, n, i, control_take(&c->carried[i]));
    for (size_t i = 0; i < c->n_stacks && code == SIB_OK; i++) {
        sib_value *made = NULL;
        code = loop_stack(c, 0, i, &made, err);
        if (code == SIB_OK)
            control_output(f, n, c->n_carried + i, made);
    }
    return code;
}

/* ---- Opset 8: a batch of sequences with their own lengths ---------------------------------------------- */

/* Fills the steps after the last one of a row with zeros. A row of no steps has the type that the body
   declares. */
static sib_code fill_rest(control *c, stack *s, value_id id, sib_error *err)
{
    const graph *g = c->bodies[0].g;
    const value_type *t = &g->values[id].type;
    int64_t dims[SIB_MAX_RANK];
    bool known = t->shape.ranked && t->dtype;
    if (s->value) {
        stack_fill(s);
        return SIB_OK;
    }
    for (size_t k = 0; known && k < (size_t)t->shape.rank; k++)
        known = dim_eval(g->dims, t->shape.dims[k], &c->sizes, &dims[k], NULL) == SIB_OK;
    return known ? stack_open(s, t->dtype, t->shape.rank, dims, err)
                 : err_set(err, SIB_ERR_ARGUMENT,
                           "an output of a row without iterations has no type: the body does not declare it");
}

/* Cuts row `row` out of the node's inputs from 1 on: carried values and scanned inputs. */
static sib_code cut_row(const frame *f, const node *n, control *c, int64_t row, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i + 1 < n->inputs.n && code == SIB_OK; i++) {
        const sib_value *whole;
        code = control_input(f, n, i + 1, &whole, err);
        if (code == SIB_OK && (!whole || !sib_value_tensor(whole)))
            code = err_set(err, SIB_ERR_ARGUMENT, "input %zu is not a tensor", i + 1);
        if (code == SIB_OK)
            code = slice_cut(&c->rows[i], sib_value_tensor(whole), 0, row, err);
        if (code == SIB_OK && i < c->n_carried) {
            sib_value_free(&c->carried[i]);
            c->carried[i] = control_take(&c->rows[i].value);
        } else if (code == SIB_OK)
            c->slices[i - c->n_carried].from = c->rows[i].value;
    }
    return code;
}

/* Runs row `row` of a batch. length: its steps, -1 for all; outputs beyond them are 0. */
static sib_code scan8_row(const frame *f, const node *n, control *c, int64_t row, int64_t length,
                          sib_error *err)
{
    scan_shape s;
    const body *b = &c->bodies[0];
    int64_t steps = 0;
    sib_code code = scan_begin(c, &s, f, n, 1, err);
    if (code == SIB_OK)
        code = cut_row(f, n, c, row, err);
    if (code == SIB_OK)
        code = scan_length(&s, c->slices, &steps, err);
    if (code == SIB_OK && (length < -1 || length > steps))
        code = err_set(err, SIB_ERR_ARGUMENT, "row %lld is %lld steps long, expected at most %lld",
                       (long long)row, (long long)length, (long long)steps);
    if (code == SIB_OK)
        code = scan_steps(f, n, c, &s, length < 0 ? steps : length, steps, err);
    for (size_t i = 0; i < c->n_stacks && code == SIB_OK && length >= 0 && length < steps; i++)
        code = fill_rest(c, &c->stacks[i], b->g->outputs.ids[c->n_carried + i], err);
    for (size_t i = 0; i < c->n_outputs && i < n->outputs.n && code == SIB_OK; i++) {
        sib_value *made = NULL;
        if (i < c->n_carried)
            made = control_take(&c->carried[i]);
        else
            code = loop_stack(c, 0, i - c->n_carried, &made, err);
        if (code == SIB_OK)
            code = stack_put(&c->row_stacks[i], row, made, err);
        sib_value_free(&made);
    }
    return code;
}

/* The steps of row `row`; -1 where lengths is NULL. */
static sib_code row_length(const sib_tensor *lengths, int64_t row, int64_t *out, sib_error *err)
{
    double steps = -1;
    sib_code code = lengths ? sib_tensor_get(lengths, (int64_t[]){row}, &steps, err) : SIB_OK;
    if (code == SIB_OK && lengths && !(steps >= 0 && steps <= 0x1p53))
        code = err_set(err, SIB_ERR_ARGUMENT, "row %lld is %g steps long, expected an integer",
                       (long long)row, steps);
    *out = code == SIB_OK ? (int64_t)steps : -1;
    return code;
}

static sib_code scan_batch(frame *f, const node *n, control *c, sib_error *err)
{
    const sib_value *v;
    const sib_tensor *lengths = NULL;
    int64_t batch = 0;
    sib_code code = control_input(f, n, 1, &v, err);
    if (code == SIB_OK && (!v || !sib_value_tensor(v) || !sib_tensor_rank(sib_value_tensor(v))))
        code = err_set(err, SIB_ERR_ARGUMENT, "input 1 has no batch axis");
    if (code == SIB_OK) {
        batch = sib_tensor_dims(sib_value_tensor(v))[0];
        code = control_input(f, n, 0, &v, err);
    }
    if (code == SIB_OK && v) {
        lengths = sib_value_tensor(v);
        if (!lengths || lengths->rank != 1 || lengths->dims[0] != batch)
            code = err_set(err, SIB_ERR_ARGUMENT, "sequence_lens must have %lld elements, one per row",
                           (long long)batch);
    }
    for (size_t i = 0; i < c->n_outputs && code == SIB_OK; i++)
        stack_begin(&c->row_stacks[i], f->run, control_max_spares(f), 0, false, batch);
    for (int64_t row = 0; row < batch && code == SIB_OK; row++) {
        int64_t length = -1;
        code = row_length(lengths, row, &length, err);
        if (code == SIB_OK)
            code = scan8_row(f, n, c, row, length, err);
    }
    for (uint32_t i = 0; i < n->outputs.n && code == SIB_OK; i++) {
        sib_value *made = NULL;
        code = i < c->n_outputs && c->row_stacks[i].value
                   ? stack_end(&c->row_stacks[i], &made, err)
                   : err_set(err, SIB_ERR_ARGUMENT, "a scan over a batch of size 0");
        if (code == SIB_OK)
            control_output(f, n, i, made);
    }
    return code;
}

sib_code run_scan(frame *f, const node *n, control *c, sib_error *err)
{
    return n->version < 9 ? scan_batch(f, n, c, err) : scan_all(f, n, c, err);
}
