/* RNN, GRU and LSTM, unrolled over the sequence length. */
#include "base/alloc.h"
#include "ops/quantize/quant.h"
#include "ops/recurrent/recurrent_cell.h"

#include <float.h>

/* Shapes: T steps, B sequences, I inputs, H hidden units, G gates, D directions. */

/* The inputs of a recurrent operator; X as [T, B, I] and states as [D, B, H] in either layout. */
typedef struct recurrent {
    recurrent_spec spec;
    int gates, directions;
    bool batch_first; /* layout 1 */
    mval x, w, r, b;  /* [T, B, I], [D, G*H, I], [D, G*H, H], [D, 2*G*H] or MVAL_NONE */
    mval valid;       /* [T, B, 1] bool: t is within sequence_lens; MVAL_NONE: all are */
    mval h, c;        /* [D, B, H] initial states; c MVAL_NONE but for LSTM */
    mval p;           /* [D, 3*H] peepholes or MVAL_NONE */
    size_t bytes;     /* number of the first input of W's and R's parameters, 0: W and R are floats */
    recurrent_attention *attention; /* (directions) or NULL */
    dim steps, batch, hidden;
    sib_dtype dtype, wide;     /* of X; and of the computation, rounded once at the end */
    recurrent_activation f[6]; /* (directions * activations per cell) */
    int activations;           /* per cell */
} recurrent;

/* Input i in the dtype of the computation, or MVAL_NONE. */
static mval wide_input(lowering *l, const recurrent *o, size_t input)
{
    mval v = l_in_or_none(l, input);
    if (v.id != NO_VALUE && m_dtype(l, v) != o->dtype && l_ok(l))
        return l_fail(l, SIB_ERR_ARGUMENT, "input %zu is %s, expected %s as X", input,
                      sib_dtype_name(m_dtype(l, v)), sib_dtype_name(o->dtype));
    return v.id == NO_VALUE ? v : m_cast(l, v, o->wide);
}

/* An initial state [D, B, H] from an input, zeros where it is omitted. */
static mval first_state(lowering *l, const recurrent *o, size_t input)
{
    dim dims[3] = {d_const(l, o->directions), o->batch, o->hidden};
    mval given = wide_input(l, o, input);
    if (given.id == NO_VALUE)
        return m_filled(l, m_scalar_like(l, o->x, 0), 3, dims);
    return m_expand(l, o->batch_first ? m_swap(l, given, 0, 1) : given, 3, dims);
}

/* valid[t, b] = t < sequence_lens[b] */
static mval valid_steps(lowering *l, const recurrent *o)
{
    if (!l_has(l, 4))
        return MVAL_NONE;
    mval lens = m_cast(l, l_in(l, 4), SIB_I64);                  /* [B] */
    mval step = m_unsqueeze(l, m_iota(l, SIB_I64, o->steps), 1); /* [T, 1] */
    return m_unsqueeze(l, m_less(l, step, lens), 2);             /* [T, B, 1] */
}

static void declare_outputs(lowering *l, const recurrent *o)
{
    dim d = d_const(l, o->directions);
    dim y[2][4] = {{o->steps, d, o->batch, o->hidden}, {o->batch, o->steps, d, o->hidden}};
    dim last[2][3] = {{d, o->batch, o->hidden}, {o->batch, d, o->hidden}};
    l_declare(l, 0, o->dtype, 4, y[o->batch_first]);
    l_declare(l, 1, o->dtype, 3, last[o->batch_first]);
    l_declare(l, 2, o->dtype, 3, last[o->batch_first]);
}

/* Reads what the operators have in common. state_c, peepholes, bytes: indices of inputs, 0 for none. */
static void read_recurrent(lowering *l, const node *n, int gates, int activations,
                           const char *const *defaults, size_t state_c, size_t peepholes, size_t bytes,
                           recurrent *o)
{
    *o = (recurrent){.spec = spec_recurrent(n), .gates = gates, .activations = activations, .bytes = bytes};
    o->directions = o->spec.direction == DIRECTION_BOTH ? 2 : 1;
    o->batch_first = o->spec.layout;
    mval x = l_in(l, 0);
    if (l_ok(l) && (m_rank(l, x) != 3 || !m_is(l, x, SIB_KIND_FLOAT)) && l_ok(l))
        l_fail(l, SIB_ERR_ARGUMENT, "X is %s of rank %d, expected floats of rank 3",
               sib_dtype_name(m_dtype(l, x)), m_rank(l, x));
    o->dtype = m_dtype(l, x);
    o->wide = o->dtype == SIB_F16 || o->dtype == SIB_BF16 ? SIB_F32 : o->dtype;
    x = m_cast(l, x, o->wide);
    o->x = o->batch_first ? m_swap(l, x, 0, 1) : x;
    if (!l_has(l, 1) || !l_has(l, 2))
        l_fail(l, SIB_ERR_ARGUMENT, "W or R is missing");
    o->w = bytes ? l_in(l, 1) : wide_input(l, o, 1);
    o->r = bytes ? l_in(l, 2) : wide_input(l, o, 2);
    o->b = wide_input(l, o, 3);
    o->steps = m_dim(l, o->x, 0);
    o->batch = m_dim(l, o->x, 1);
    int64_t hidden = o->spec.hidden_size;
    o->hidden = hidden > 0 ? d_const(l, hidden) : m_dim(l, o->r, 2);
    declare_outputs(l, o);
    recurrent_activations(l, &o->spec, o->directions, activations, defaults, o->f);
    o->valid = valid_steps(l, o);
    o->h = first_state(l, o, 5);
    o->c = state_c ? first_state(l, o, state_c) : MVAL_NONE;
    o->p = peepholes ? wide_input(l, o, peepholes) : MVAL_NONE;
}

/* Max steps that shape inference unrolls */
#define INFERRED_STEPS 256

int64_t recurrent_steps(lowering *l, dim steps, dim each)
{
    int64_t n = m_number(l, steps), width;
    if (l_ok(l) && dim_is_const(l->graph->dims, each, &width) && width == 0)
        return 0;
    if (l_ok(l) && l->symbolic && n > INFERRED_STEPS)
        l->status = LOWER_NEEDS_DIMS;
    return l_ok(l) ? n : 0;
}

/* Row `direction` of [D, ...], without that axis. */
static mval of_direction(lowering *l, mval v, int direction)
{
    return v.id == NO_VALUE ? MVAL_NONE : m_squeeze(l, m_slice_numbers(l, v, 0, direction, 1), 0);
}

/* `count` blocks of H elements along an axis, from block `first` on. */
static mval gate_part(lowering *l, mval v, int axis, dim hidden, int first, int count)
{
    return m_slice(l, v, axis, d_mul(l, hidden, d_const(l, first)), d_mul(l, hidden, d_const(l, count)), 1);
}

/* Bytes of one direction, [K, G*H], with their parameters, inputs `first` and the next. */
static recurrent_bytes bytes_of(lowering *l, mval q, size_t first, int direction)
{
    recurrent_bytes b = {of_direction(l, q, direction), of_direction(l, l_in(l, first), direction),
                         of_direction(l, l_in(l, first + 1), direction)};
    return b;
}

/* x [M, K] by weights of bytes, x quantized over its range */
static mval by_bytes(lowering *l, mval x, const recurrent_bytes *b)
{
    return m_cast(l, quant_dynamic_product(l, x, b->q, b->scale, b->zero), m_dtype(l, x));
}

/* The rows of X in one matrix [T*B, I]. Where X is quantized over its range, steps that no sequence has do not
   count. */
static mval rows_of_x(lowering *l, const recurrent *o)
{
    dim flat[2] = {d_mul(l, o->steps, o->batch), m_dim(l, o->x, 2)};
    if (!o->bytes || o->valid.id == NO_VALUE)
        return m_reshape(l, o->x, 2, flat);
    const int64_t batch = 1;
    mval any =
        m_cast(l, m_reduce(l, MILLI_reduce_max, m_cast(l, o->valid, SIB_U8), 1, &batch, KEEP_DIMS), SIB_BOOL);
    return m_reshape(l, m_where(l, any, o->x, m_scalar_like(l, o->x, 0)), 2, flat);
}

/* X W^T + b for all steps at once: [T, B, G*H]. */
static mval project(lowering *l, const recurrent *o, int direction, mval bias)
{
    dim apart[3] = {o->steps, o->batch, d_mul(l, o->hidden, d_const(l, o->gates))};
    mval x = rows_of_x(l, o), y;
    if (o->bytes) {
        recurrent_bytes w = bytes_of(l, o->w, o->bytes, direction);
        y = by_bytes(l, x, &w);
    } else {
        mval w = of_direction(l, o->w, direction); /* [G*H, I], or [G*H, I + A] with attention */
        if (o->attention)
            w = m_slice(l, w, 1, d_const(l, 0), m_dim(l, x, 1), 1);
        y = m_matmul(l, x, m_swap(l, w, 0, 1));
    }
    y = m_reshape(l, y, 3, apart);
    return bias.id == NO_VALUE ? y : m_add(l, y, bias);
}

/* The cell of a direction, without weights and biases. */
static recurrent_cell cell_of(lowering *l, const recurrent *o, int direction)
{
    recurrent_cell cell = {.r = MVAL_NONE, .r_hidden = MVAL_NONE, .b_hidden = MVAL_NONE, .hidden = o->hidden};
    mval p = of_direction(l, o->p, direction); /* [3*H]: input, output, forget */
    cell.clip = o->spec.clip;
    cell.attention = o->attention ? &o->attention[direction] : NULL;
    for (int i = 0; i < 3; i++) {
        cell.peep[i] = p.id == NO_VALUE ? MVAL_NONE : gate_part(l, p, 0, o->hidden, i, 1);
        if (i < o->activations)
            cell.f[i] = o->f[direction * o->activations + i];
    }
    return cell;
}

/* Whether inference lowers two steps alone, the second of which l->steps describes. */
static bool is_counted(const lowering *l, const recurrent *o)
{
    int64_t n;
    return l->symbolic && !(dim_is_const(l->graph->dims, o->steps, &n) && n <= INFERRED_STEPS);
}

/* The first step, whose states may be constant zeros, and one of the others. */
static void count_steps(lowering *l, const recurrent *o, const recurrent_cell *cell, recurrent_step *step,
                        mval x, int direction, mval *h, mval *c)
{
    mval first = m_slice_numbers(l, x, 0, 0, 1);
    step(l, cell, first, h, c);
    l->steps[direction].begin = l->graph->n_nodes;
    l->steps[direction].times = d_sub(l, o->steps, d_const(l, 1));
    step(l, cell, first, h, c);
    l->steps[direction].end = l->graph->n_nodes;
}

/* Runs the steps of one direction over x [T, B, G*H]; returns [T, B, H]. *h, *c: [1, B, H] the initial
   states, replaced by the final ones. Steps beyond the length of a sequence keep its state and give 0. */
static mval run_direction(lowering *l, const recurrent *o, const recurrent_cell *cell, recurrent_step *step,
                          mval x, bool backward, mval *h, mval *c)
{
    int64_t n = recurrent_steps(l, o->steps, o->batch);
    mval *ys = mem_alloc((size_t)(n > 0 ? n : 1), sizeof *ys), y;
    if (!ys)
        return l_fail(l, SIB_ERR_MEMORY, "no memory for %lld steps", (long long)n);
    for (int64_t i = 0; i < n && l_ok(l); i++) {
        int64_t t = backward ? n - 1 - i : i;
        mval old_h = *h, old_c = *c, old_context = cell->attention ? cell->attention->context : MVAL_NONE;
        step(l, cell, m_slice_numbers(l, x, 0, t, 1), h, c);
        if (o->valid.id != NO_VALUE) {
            mval valid = m_slice_numbers(l, o->valid, 0, t, 1); /* [1, B, 1] */
            *h = m_where(l, valid, *h, old_h);
            if (c->id != NO_VALUE)
                *c = m_where(l, valid, *c, old_c);
            if (cell->attention)
                cell->attention->context = m_where(l, valid, cell->attention->context, old_context);
        }
        ys[t] = *h;
    }
    dim none[3] = {o->steps, o->batch, o->hidden}; /* [0, B, H] or [T, 0, H] */
    y = n > 0 ? m_concat(l, (size_t)n, ys, 0) : m_filled(l, m_scalar_like(l, o->x, 0), 3, none);
    mem_free(ys);
    return o->valid.id == NO_VALUE ? y : m_where(l, o->valid, y, m_scalar_like(l, y, 0));
}

/* Joins the directions and sets the outputs. y: [T, B, H] per direction; h, c: [1, B, H] per direction. */
static void give_outputs(lowering *l, const recurrent *o, const mval *y, const mval *h, const mval *c)
{
    static const int64_t batch_first[] = {2, 0, 1, 3};
    size_t n = (size_t)o->directions;
    mval all = m_stack(l, n, y, 1);     /* [T, D, B, H] */
    mval last_h = m_concat(l, n, h, 0); /* [D, B, H] */
    mval last_c = c[0].id == NO_VALUE ? MVAL_NONE : m_concat(l, n, c, 0);
    if (o->batch_first) {
        all = m_transpose(l, all, batch_first); /* [B, T, D, H] */
        last_h = m_swap(l, last_h, 0, 1);       /* [B, D, H] */
        last_c = last_c.id == NO_VALUE ? MVAL_NONE : m_swap(l, last_c, 0, 1);
    }
    l_out(l, 0, m_cast(l, all, o->dtype));
    l_out(l, 1, m_cast(l, last_h, o->dtype));
    l_out(l, 2, last_c.id == NO_VALUE ? MVAL_NONE : m_cast(l, last_c, o->dtype));
}

/* Prepares the weights of a cell; returns the bias [G*H] that the projection adds, or MVAL_NONE. */
typedef mval prepare_cell(lowering *l, const recurrent *o, int direction, recurrent_cell *cell);

static void run_recurrent(lowering *l, const recurrent *o, prepare_cell *prepare, recurrent_step *step)
{
    mval y[2] = {MVAL_NONE, MVAL_NONE}, h[2] = {MVAL_NONE, MVAL_NONE}, c[2] = {MVAL_NONE, MVAL_NONE};
    for (int d = 0; d < o->directions && l_ok(l); d++) {
        bool backward = d == 1 || o->spec.direction == DIRECTION_REVERSE;
        recurrent_cell cell = cell_of(l, o, d);
        mval x = project(l, o, d, prepare(l, o, d, &cell));
        h[d] = m_slice_numbers(l, o->h, 0, d, 1);
        c[d] = o->c.id == NO_VALUE ? MVAL_NONE : m_slice_numbers(l, o->c, 0, d, 1);
        if (is_counted(l, o))
            count_steps(l, o, &cell, step, x, d, &h[d], &c[d]);
        else
            y[d] = run_direction(l, o, &cell, step, x, backward, &h[d], &c[d]);
    }
    if (l_ok(l) && is_counted(l, o)) {
        l->n_steps = (unsigned)o->directions;
        l->status = LOWER_NEEDS_DIMS;
    }
    if (l_ok(l))
        give_outputs(l, o, y, h, c);
}

/* Wb + Rb of gates [first, first + count), each H, from b [2*G*H]. */
static mval joined_bias(lowering *l, const recurrent *o, mval b, int first, int count)
{
    return m_add(l, gate_part(l, b, 0, o->hidden, first, count),
                 gate_part(l, b, 0, o->hidden, o->gates + first, count));
}

/* For RNN and LSTM, whose gates are all computed alike. */
static mval prepare_plain(lowering *l, const recurrent *o, int direction, recurrent_cell *cell)
{
    mval b = of_direction(l, o->b, direction);
    if (o->bytes)
        cell->r_bytes = bytes_of(l, o->r, o->bytes + 2, direction);
    else
        cell->r = m_swap(l, of_direction(l, o->r, direction), 0, 1); /* [H, G*H] */
    cell->coupled = o->spec.input_forget;
    return b.id == NO_VALUE ? MVAL_NONE : joined_bias(l, o, b, 0, o->gates);
}

/* For GRU: with linear_before_reset the reset gate scales the recurrence bias of the hidden gate, so that
   bias is kept separate. */
static mval prepare_gru(lowering *l, const recurrent *o, int direction, recurrent_cell *cell)
{
    mval r = m_swap(l, of_direction(l, o->r, direction), 0, 1); /* [H, 3*H]: update, reset, hidden */
    mval b = of_direction(l, o->b, direction);
    bool linear = o->spec.linear_before_reset;
    cell->r = linear ? r : gate_part(l, r, 1, o->hidden, 0, 2);
    cell->r_hidden = linear ? MVAL_NONE : gate_part(l, r, 1, o->hidden, 2, 1);
    if (b.id == NO_VALUE)
        return MVAL_NONE;
    if (!linear)
        return joined_bias(l, o, b, 0, 3);
    cell->b_hidden = gate_part(l, b, 0, o->hidden, 5, 1);
    mval parts[2] = {joined_bias(l, o, b, 0, 2), gate_part(l, b, 0, o->hidden, 2, 1)};
    return m_concat(l, 2, parts, 0);
}

/* ---- RNN --------------------------------------------------------------------------------------------- */

static void rnn_step(lowering *l, const recurrent_cell *cell, mval x, mval *h, mval *c)
{
    (void)c;
    *h = recurrent_gate(l, cell, 0, m_add(l, x, m_matmul(l, *h, cell->r)));
}

/* H' = f(X W^T + H R^T + Wb + Rb), f = Tanh. ONNX RNN-1, 7, 14, 22. */
void lower_ONNX_RNN(lowering *l, const node *n)
{
    static const char *const defaults[] = {"Tanh"};
    recurrent o;
    read_recurrent(l, n, 1, 1, defaults, 0, 0, 0, &o);
    run_recurrent(l, &o, prepare_plain, rnn_step);
}

/* ---- GRU --------------------------------------------------------------------------------------------- */

static void gru_step(lowering *l, const recurrent_cell *cell, mval x, mval *h, mval *c)
{
    (void)c;
    mval from_h = m_matmul(l, *h, cell->r), hidden; /* [1, B, 2*H], or [1, B, 3*H] with linear_before_reset */
    mval zr = m_add(l, gate_part(l, x, 2, cell->hidden, 0, 2), gate_part(l, from_h, 2, cell->hidden, 0, 2));
    zr = recurrent_gate(l, cell, 0, zr);
    mval z = gate_part(l, zr, 2, cell->hidden, 0, 1), r = gate_part(l, zr, 2, cell->hidden, 1, 1);
    if (cell->r_hidden.id == NO_VALUE) {
        hidden = gate_part(l, from_h, 2, cell->hidden, 2, 1);
        if (cell->b_hidden.id != NO_VALUE)
            hidden = m_add(l, hidden, cell->b_hidden);
        hidden = m_mul(l, r, hidden);
    } else
        hidden = m_matmul(l, m_mul(l, r, *h), cell->r_hidden);
    mval new_h = recurrent_gate(l, cell, 1, m_add(l, gate_part(l, x, 2, cell->hidden, 2, 1), hidden));
    mval keep = m_mul(l, z, *h), rest = m_sub(l, m_scalar_like(l, z, 1), z);
    *h = m_add(l, m_mul(l, rest, new_h), keep);
}

/* z = f(Xz + H Rz^T), r = f(Xr + H Rr^T), h = g(Xh + (r * H) Rh^T) or g(Xh + r * (H Rh^T + Rbh)) with
   linear_before_reset, H' = (1 - z) * h + z * H; f = Sigmoid, g = Tanh. ONNX GRU-1, 3, 7, 14, 22. */
void lower_ONNX_GRU(lowering *l, const node *n)
{
    static const char *const defaults[] = {"Sigmoid", "Tanh"};
    recurrent o;
    read_recurrent(l, n, 3, 2, defaults, 0, 0, 0, &o);
    run_recurrent(l, &o, prepare_gru, gru_step);
}

/* ---- LSTM -------------------------------------------------------------------------------------------- */

/* gate + P * C; gate without peepholes */
static mval peeped(lowering *l, const recurrent_cell *cell, int which, mval gate, mval c)
{
    return cell->peep[which].id == NO_VALUE ? gate : m_add(l, gate, m_mul(l, cell->peep[which], c));
}

/* H R^T [1, B, 4*H] */
static mval from_state(lowering *l, const recurrent_cell *cell, mval h)
{
    if (cell->r.id != NO_VALUE)
        return m_matmul(l, h, cell->r);
    return m_unsqueeze(l, by_bytes(l, m_squeeze(l, h, 0), &cell->r_bytes), 0);
}

static void lstm_step(lowering *l, const recurrent_cell *cell, mval x, mval *h, mval *c)
{
    mval i, o, f, all = m_add(l, x, from_state(l, cell, *h)); /* [1, B, 4*H]: input, output, forget, cell */
    mval iof = gate_part(l, all, 2, cell->hidden, 0, 3);
    bool peeps = cell->peep[0].id != NO_VALUE;
    if (!peeps)
        iof = recurrent_gate(l, cell, 0, iof); /* all three at once */
    i = gate_part(l, iof, 2, cell->hidden, 0, 1);
    o = gate_part(l, iof, 2, cell->hidden, 1, 1);
    f = gate_part(l, iof, 2, cell->hidden, 2, 1);
    if (peeps) {
        i = recurrent_gate(l, cell, 0, peeped(l, cell, 0, i, *c));
        f = recurrent_gate(l, cell, 0, peeped(l, cell, 2, f, *c));
    }
    if (cell->coupled)
        f = m_sub(l, m_scalar_like(l, i, 1), i);
    mval fresh = recurrent_gate(l, cell, 1, gate_part(l, all, 2, cell->hidden, 3, 1));
    *c = m_add(l, m_mul(l, f, *c), m_mul(l, i, fresh));
    if (peeps)
        o = recurrent_gate(l, cell, 0, peeped(l, cell, 1, o, *c));
    *h = m_mul(l, o, recurrent_activate(l, cell, 2, *c));
}

/* i = f(Xi + H Ri^T + Pi * C), f likewise (1 - i with input_forget), c = g(Xc + H Rc^T), C' = f * C + i * c,
   o = f(Xo + H Ro^T + Po * C'), H' = o * h(C'); f = Sigmoid, g = h = Tanh. ONNX LSTM-1, 7, 14, 22. */
void lower_ONNX_LSTM(lowering *l, const node *n)
{
    static const char *const defaults[] = {"Sigmoid", "Tanh", "Tanh"};
    recurrent o;
    read_recurrent(l, n, 4, 3, defaults, 6, 7, 0, &o);
    run_recurrent(l, &o, prepare_plain, lstm_step);
}

/* ONNX LSTM of weights in bytes, W [D, I, 4*H] and R [D, H, 4*H]: X is quantized over its range at once, H over
   its range at each step. com.microsoft DynamicQuantizeLSTM-1. */
void lower_MS_DynamicQuantizeLSTM(lowering *l, const node *n)
{
    static const char *const defaults[] = {"Sigmoid", "Tanh", "Tanh"};
    recurrent o;
    if (!elem_takes(l, l_in(l, 0), "X", ELEM(SIB_F32)) || !elem_takes(l, l_in(l, 1), "W", QUANT_BYTES) ||
        !elem_takes(l, l_in(l, 2), "R", QUANT_BYTES))
        return;
    read_recurrent(l, n, 4, 3, defaults, 6, 7, 8, &o);
    run_recurrent(l, &o, prepare_plain, lstm_step);
}

/* ---- AttnLSTM ---------------------------------------------------------------------------------------- */

enum { QUERY = 8, MEMORY_LAYER, ATTENTION_V, MEMORY, MEMORY_LENGTHS, ATTENTION_LAYER };

/* What the LSTM of a direction attends to; W [4*H, I + A] ends with the weights of the context. */
static recurrent_attention attention_of(lowering *l, const recurrent *o, int direction)
{
    recurrent_attention a = {.hidden = MVAL_NONE, .layer_h = MVAL_NONE, .layer_memory = MVAL_NONE};
    mval layer = of_direction(l, wide_input(l, o, ATTENTION_LAYER), direction); /* [H + M, A] */
    mval w = of_direction(l, o->w, direction);
    dim inputs = m_dim(l, o->x, 2), memory;
    a.memory = wide_input(l, o, MEMORY);
    memory = m_dim(l, a.memory, 2);
    a.query = of_direction(l, wide_input(l, o, QUERY), direction);
    a.v = of_direction(l, wide_input(l, o, ATTENTION_V), direction);
    if (l_has(l, MEMORY_LENGTHS)) {
        mval step = m_iota(l, SIB_I64, m_dim(l, a.memory, 1));
        mval lengths = m_unsqueeze(l, m_cast(l, l_in(l, MEMORY_LENGTHS), SIB_I64), 1);
        a.hidden = m_not(l, m_less(l, step, lengths)); /* [B, S] */
        a.memory = m_where(l, m_unsqueeze(l, a.hidden, 2), m_scalar_like(l, a.memory, 0), a.memory);
    }
    a.keys = m_matmul(l, a.memory, of_direction(l, wide_input(l, o, MEMORY_LAYER), direction));
    dim depth = memory;
    if (layer.id != NO_VALUE) {
        depth = m_dim(l, layer, 1);
        a.layer_h = m_slice(l, layer, 0, d_const(l, 0), o->hidden, 1);
        a.layer_memory = m_slice(l, layer, 0, o->hidden, memory, 1);
    }
    a.w = m_swap(l, m_slice(l, w, 1, inputs, depth, 1), 0, 1);
    dim dims[3] = {d_const(l, 1), o->batch, depth};
    a.context = m_filled(l, m_scalar_like(l, o->x, 0), 3, dims);
    return a;
}

/* The context of a state [1, B, H]: [1, B, A]. */
static mval attend(lowering *l, const recurrent_attention *a, mval h)
{
    const int64_t last = 2;
    mval query = m_swap(l, m_matmul(l, h, a->query), 0, 1); /* [B, 1, N] */
    mval score = m_mul(l, m_tanh(l, m_add(l, a->keys, query)), a->v);
    score = m_reduce(l, MILLI_reduce_sum, score, 1, &last, DROP_DIMS); /* [B, S] */
    if (a->hidden.id != NO_VALUE)
        score = m_where(l, a->hidden, m_scalar_like(l, score, -FLT_MAX), score);
    mval weights = m_unsqueeze(l, m_softmax(l, score, 1), 1); /* [B, 1, S] */
    mval context = m_swap(l, m_matmul(l, weights, a->memory), 0, 1);
    if (a->layer_h.id == NO_VALUE)
        return context;
    return m_add(l, m_matmul(l, h, a->layer_h), m_matmul(l, context, a->layer_memory));
}

static void attn_step(lowering *l, const recurrent_cell *cell, mval x, mval *h, mval *c)
{
    recurrent_attention *a = cell->attention;
    lstm_step(l, cell, m_add(l, x, m_matmul(l, a->context, a->w)), h, c);
    a->context = attend(l, a, *h);
}

/* ONNX LSTM of [X, A'] in the place of X, where A' is the context of the step before: C = softmax(sum of V *
   tanh(M MW + H QW)) M over the steps of the memory M, or [H, C] AW. com.microsoft AttnLSTM-1. */
void lower_MS_AttnLSTM(lowering *l, const node *n)
{
    static const char *const defaults[] = {"Sigmoid", "Tanh", "Tanh"};
    recurrent_attention attention[2];
    recurrent o;
    read_recurrent(l, n, 4, 3, defaults, 6, 7, 0, &o);
    for (size_t i = QUERY; i <= MEMORY && l_ok(l); i++)
        if (!l_has(l, i))
            l_fail(l, SIB_ERR_ARGUMENT, "one of QW, MW, V and M is missing");
    for (int d = 0; d < o.directions && l_ok(l); d++)
        attention[d] = attention_of(l, &o, d);
    o.attention = attention;
    if (l_ok(l))
        run_recurrent(l, &o, prepare_plain, attn_step);
}
