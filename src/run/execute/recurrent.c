#include "run/execute/recurrent.h"

#include "base/alloc.h"
#include "base/error.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

#include <string.h>

/* Steps per chunk. */
#define CHUNK 64

/* Inputs and outputs in the order of ONNX; INITIAL_C and LAST_C only of LSTM. */
enum { X, W, R, B, SEQUENCE_LENS, INITIAL_H, INITIAL_C, PEEPHOLES, INPUTS };
enum { Y, LAST_H, LAST_C, OUTPUTS };

/* T steps, D directions, B sequences, H hidden neurons. */
typedef struct recurrence {
    const frame *f;
    const node *n;
    executor *ex; /* of one chunk */
    bool lstm, batch_first, reverse;
    size_t steps, directions, batch, hidden;
    sib_dtype dtype, wide;    /* dtype: of X; wide: of the states between chunks, as the lowering computes */
    sib_value *in[INPUTS];    /* owned, in `wide`; NULL: omitted. States: those before the first step */
    sib_value *made[OUTPUTS]; /* owned; made by the first chunk, which fixes their dtype */
} recurrence;

static bool has(const node *n, size_t i)
{
    return i < n->inputs.n && n->inputs.ids[i] != NO_VALUE;
}

static size_t inputs_of(const node *n)
{
    return str_is(n->type, "LSTM") ? INPUTS : INITIAL_C;
}

sib_code recurrent_graph(const node *n, one_node **out, sib_error *err)
{
    bool in[INPUTS], outs[OUTPUTS] = {[LAST_H] = true, [LAST_C] = str_is(n->type, "LSTM")};
    for (size_t i = 0; i < INPUTS; i++)
        in[i] = has(n, i) || i == INITIAL_H || i == INITIAL_C;
    outs[Y] = n->outputs.n > Y && n->outputs.ids[Y] != NO_VALUE;
    return one_node_make(n, inputs_of(n), in, outs[LAST_C] ? OUTPUTS : LAST_C, outs, out, err);
}

/* ---- Inputs ------------------------------------------------------------------------------------------ */

/* Converts v to dtype; returns v itself if it has that dtype. */
static sib_code convert(const sib_value *v, sib_dtype dtype, sib_value **out, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(v);
    sib_tensor *made = NULL;
    if (!t)
        return err_set(err, SIB_ERR_ARGUMENT, "an input is not a tensor");
    if (t->dtype == dtype)
        return sib_value_copy(v, out, err);
    sib_code code = sib_tensor_convert(t, dtype, SIB_OVERFLOW_IEEE, &made, err);
    return code == SIB_OK ? value_take_tensor(made, out, err) : code;
}

static sib_code zeros(sib_dtype dtype, size_t rank, const int64_t *dims, sib_value **out, sib_error *err)
{
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_create(dtype, rank, dims, &t, err);
    return code == SIB_OK ? value_take_tensor(t, out, err) : code;
}

static sib_code read_inputs(recurrence *r, sib_error *err)
{
    const sib_value *given[INPUTS] = {0};
    sib_code code = SIB_OK;
    for (size_t i = 0; i < inputs_of(r->n) && code == SIB_OK; i++)
        code = control_input(r->f, r->n, i, &given[i], err);
    if (code != SIB_OK)
        return code;
    const sib_tensor *x = sib_value_tensor(given[X]), *weights = sib_value_tensor(given[R]);
    if (!x || x->rank != 3 || !weights || weights->rank != 3)
        return err_set(err, SIB_ERR_ARGUMENT, "X or R is not of rank 3");
    int64_t hidden = spec_recurrent(r->n).hidden_size;
    r->steps = (size_t)x->dims[r->batch_first ? 1 : 0];
    r->batch = (size_t)x->dims[r->batch_first ? 0 : 1];
    r->hidden = (size_t)(hidden > 0 ? hidden : weights->dims[2]);
    r->dtype = x->dtype;
    r->wide = r->dtype == SIB_F16 || r->dtype == SIB_BF16 ? SIB_F32 : r->dtype;
    for (size_t i = 0; i < INPUTS && code == SIB_OK; i++)
        if (given[i])
            code = convert(given[i], i == SEQUENCE_LENS ? SIB_I64 : r->wide, &r->in[i], err);
    const int64_t d = (int64_t)r->directions, b = (int64_t)r->batch, h = (int64_t)r->hidden;
    const int64_t dims[3] = {r->batch_first ? b : d, r->batch_first ? d : b, h};
    if (code == SIB_OK && !r->in[INITIAL_H])
        code = zeros(r->wide, 3, dims, &r->in[INITIAL_H], err);
    if (code == SIB_OK && r->lstm && !r->in[INITIAL_C])
        code = zeros(r->wide, 3, dims, &r->in[INITIAL_C], err);
    return code;
}

/* Cuts steps [begin, begin + count) out of X. */
static sib_code cut_steps(const recurrence *r, size_t begin, size_t count, sib_value **out, sib_error *err)
{
    sib_tensor *part = NULL;
    sib_code code = sib_tensor_slice(sib_value_tensor(r->in[X]), r->batch_first ? 1 : 0, (int64_t)begin,
                                     (int64_t)count, 1, &part, err);
    return code == SIB_OK ? value_take_tensor(part, out, err) : code;
}

/* The number of those steps that each sequence has. */
static sib_code cut_lengths(const recurrence *r, size_t begin, size_t count, sib_value **out, sib_error *err)
{
    const sib_tensor *all = sib_value_tensor(r->in[SEQUENCE_LENS]);
    sib_tensor *lengths = NULL;
    sib_code code = sib_tensor_copy(all, &lengths, err);
    int64_t *n = code == SIB_OK ? (int64_t *)sib_tensor_data(lengths) : NULL;
    for (uint64_t i = 0; n && i < lengths->count; i++)
        n[i] = n[i] <= (int64_t)begin                   ? 0
               : n[i] - (int64_t)begin > (int64_t)count ? (int64_t)count
                                                        : n[i] - (int64_t)begin;
    return code == SIB_OK ? value_take_tensor(lengths, out, err) : code;
}

/* ---- Outputs ----------------------------------------------------------------------------------------- */

/* Writes direction d of `part`, [count, D, B, H] or [B, count, D, H], to r->made[which] at step `begin`.
   steps: steps of r->made[which]. */
static sib_code put(recurrence *r, size_t which, size_t steps, size_t begin, size_t count, size_t d,
                    const sib_value *part, sib_error *err)
{
    const sib_tensor *from = sib_value_tensor(part);
    const size_t outer = r->batch_first ? r->batch : 1, inner = r->hidden * (r->batch_first ? 1 : r->batch);
    const size_t bytes = inner * dtype_stride(from->dtype);
    if (!r->made[which]) {
        int64_t dims[4];
        memcpy(dims, from->dims, from->rank * sizeof *dims);
        if (which == Y)
            dims[r->batch_first ? 1 : 0] = (int64_t)steps;
        sib_code code = zeros(from->dtype, from->rank, dims, &r->made[which], err);
        if (code == SIB_OK)
            code = run_charge(r->f->run, run_bytes(r->made[which]), "the outputs of its steps", err);
        if (code != SIB_OK)
            return code;
    }
    char *to = sib_tensor_data(r->made[which]->tensor);
    for (size_t o = 0; o < outer; o++)
        for (size_t t = 0; t < count; t++)
            memcpy(to + ((o * steps + begin + t) * r->directions + d) * bytes,
                   from->data + ((o * count + t) * r->directions + d) * bytes, bytes);
    return SIB_OK;
}

/* ---- Chunks ------------------------------------------------------------------------------------------ */

/* Runs steps [begin, begin + count) from states[0] (H) and [1] (C), which become the states after them,
   and writes direction d of Y. Taps see the node alone, not its chunks. */
static sib_code run_chunk(recurrence *r, size_t begin, size_t count, size_t d, sib_value **states,
                          sib_error *err)
{
    const sib_value *in[INPUTS];
    sib_value *own[2] = {NULL, NULL}, *out[OUTPUTS] = {NULL, NULL, NULL};
    run_state run = *r->f->run;
    size_t n_in = 0, at = 0;
    run.observer.blind = true;
    run.view = PLAN_CLOSED;
    sib_code code = cut_steps(r, begin, count, &own[0], err);
    if (code == SIB_OK && r->in[SEQUENCE_LENS])
        code = cut_lengths(r, begin, count, &own[1], err);
    for (size_t i = 0; i < INPUTS; i++) {
        const sib_value *v = i == X               ? own[0]
                             : i == SEQUENCE_LENS ? own[1]
                             : i == INITIAL_H     ? states[0]
                             : i == INITIAL_C     ? states[1]
                                                  : r->in[i];
        if (v)
            in[n_in++] = v;
    }
    if (code == SIB_OK)
        code = r->f->execute(r->ex, &run, NULL, in, NULL, out, err);
    if (code == SIB_OK && r->ex->g->outputs.n > (r->lstm ? 2u : 1u))
        code = put(r, Y, r->steps, begin, count, d, out[at++], err);
    for (size_t i = 0; i < (r->lstm ? 2u : 1u) && code == SIB_OK; i++, at++) {
        sib_value_free(&states[i]);
        states[i] = control_take(&out[at]);
    }
    for (size_t i = 0; i < OUTPUTS; i++)
        sib_value_free(&out[i]);
    sib_value_free(&own[0]);
    sib_value_free(&own[1]);
    return code;
}

/* Runs all steps in the order of direction d. A bidirectional node computes both directions in every
   chunk; the values of the other are dropped. */
static sib_code run_direction(recurrence *r, size_t d, sib_error *err)
{
    sib_value *states[2] = {value_share(r->in[INITIAL_H]), r->lstm ? value_share(r->in[INITIAL_C]) : NULL};
    const size_t chunks = (r->steps + CHUNK - 1) / CHUNK;
    sib_code code = SIB_OK;
    for (size_t i = 0; i < chunks && code == SIB_OK; i++) {
        const size_t begin = (d || r->reverse ? chunks - 1 - i : i) * CHUNK;
        code = run_chunk(r, begin, r->steps - begin < CHUNK ? r->steps - begin : CHUNK, d, states, err);
    }
    if (code == SIB_OK)
        code = put(r, LAST_H, 1, 0, 1, d, states[0], err);
    if (code == SIB_OK && r->lstm)
        code = put(r, LAST_C, 1, 0, 1, d, states[1], err);
    sib_value_free(&states[0]);
    sib_value_free(&states[1]);
    return code;
}

sib_code run_recurrent(frame *f, const node *n, control *c, sib_error *err)
{
    (void)c;
    recurrent_spec spec = spec_recurrent(n);
    recurrence r = {.f = f,
                    .n = n,
                    .ex = executor_of_chunks(f->ex->set, n),
                    .lstm = str_is(n->type, "LSTM"),
                    .batch_first = spec.layout,
                    .reverse = spec.direction == DIRECTION_REVERSE,
                    .directions = spec.direction == DIRECTION_BOTH ? 2 : 1};
    const uint64_t before = f->run->memory;
    sib_code code =
        r.ex ? read_inputs(&r, err) : err_set(err, SIB_ERR_UNSUPPORTED, "a node that cannot run in chunks");
    for (size_t d = 0; d < r.directions && code == SIB_OK; d++)
        code = run_direction(&r, d, err);
    f->run->memory = before;
    for (size_t i = 0; i < n->outputs.n && i < OUTPUTS && code == SIB_OK; i++) {
        sib_value *v = NULL;
        if (!r.made[i])
            continue;
        /* the lowering rounds once, at the end; in oracle mode nothing is rounded */
        code = f->ex->shared->plan.oracle ? sib_value_copy(r.made[i], &v, err)
                                          : convert(r.made[i], r.dtype, &v, err);
        if (code == SIB_OK)
            control_output(f, n, i, v);
    }
    for (size_t i = 0; i < INPUTS; i++)
        sib_value_free(&r.in[i]);
    for (size_t i = 0; i < OUTPUTS; i++)
        sib_value_free(&r.made[i]);
    return code;
}
