/* ONNX LSTM, GRU and RNN for float32 with the common activations.

   T steps, B sequences, I inputs, H hidden units, G gates, D directions. */
#include "backend/cpu/recurrent/recurrent.h"

#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* Min multiplications of both directions together for a thread each. */
#define WORTH_THREADS 1000000.0

/* ---- Reading the node ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    recurrent_function function;
} functions[] = {
    {"Sigmoid", RECURRENT_SIGMOID},
    {"Tanh", RECURRENT_TANH},
    {"Relu", RECURRENT_RELU},
    {"HardSigmoid", RECURRENT_HARD_SIGMOID},
};

static bool function_named(sib_str name, recurrent_function *out)
{
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strlen(functions[i].name) == name.length &&
            !strncasecmp(functions[i].name, name.data, name.length)) {
            *out = functions[i].function;
            return true;
        }
    return false;
}

/* Reads the activations of all directions. Returns false where one is not in the table. */
static bool read_functions(const recurrent_spec *spec, recurrent_kind kind, recurrent_state *s)
{
    static const size_t counts[] = {[RECURRENT_RNN] = 1, [RECURRENT_GRU] = 2, [RECURRENT_LSTM] = 3};
    spec_strings names = spec->activations;
    spec_floats alphas = spec->activation_alpha, betas = spec->activation_beta;
    size_t a = 0, b = 0, each = counts[kind];
    if (names.n && names.n < each * s->directions)
        return false;
    for (size_t i = 0; i < each * s->directions; i++) {
        recurrent_gate *f = &s->calls[i / each].cell.f[i % each];
        *f = (recurrent_gate){.function =
                                  kind != RECURRENT_RNN && i % each == 0 ? RECURRENT_SIGMOID : RECURRENT_TANH,
                              .alpha = 0.2f,
                              .beta = 0.5f};
        if (names.n && !function_named(names.v[i], &f->function))
            return false;
        if (f->function == RECURRENT_HARD_SIGMOID) {
            f->alpha = a < alphas.n ? alphas.v[a++] : f->alpha;
            f->beta = b < betas.n ? betas.v[b++] : f->beta;
        }
    }
    return true;
}

/* True where input i is omitted, or a tensor of this dtype and these dims. */
static bool fits(const node_view *n, size_t i, sib_dtype dtype, size_t rank, const int64_t *want)
{
    int64_t dims[SIB_MAX_RANK];
    size_t have;
    if (!recurrent_has(n, i))
        return true;
    return cpu_dtype(n->in[i]) == dtype && cpu_dims(n, n->in[i], &have, dims) && have == rank &&
           !memcmp(dims, want, rank * sizeof *dims);
}

/* Reads the dims of the node, which must agree, into the first call. */
static bool read_dims(const node_view *n, recurrent_kind kind, const recurrent_spec *spec, recurrent_state *s)
{
    recurrent_call *c = &s->calls[0];
    int64_t x[SIB_MAX_RANK], r[SIB_MAX_RANK], d = (int64_t)s->directions, g = (int64_t)recurrent_gates(kind);
    size_t rank, r_rank;
    if (!recurrent_has(n, IN_X) || !recurrent_has(n, IN_W) || !recurrent_has(n, IN_R) ||
        cpu_dtype(n->in[IN_X]) != SIB_F32 || !cpu_dims(n, n->in[IN_X], &rank, x) ||
        !cpu_dims(n, n->in[IN_R], &r_rank, r) || rank != 3 || r_rank != 3)
        return false;
    bool batch_first = spec->layout;
    int64_t t = x[batch_first], b = x[!batch_first], i = x[2], h = r[2];
    int64_t given = spec->hidden_size;
    if (t < 1 || b < 1 || i < 1 || h < 1 || h > INT32_MAX || i > INT32_MAX || (given > 0 && given != h))
        return false;
    int64_t w_dims[] = {d, g * h, i}, r_dims[] = {d, g * h, h}, b_dims[] = {d, 2 * g * h},
            p_dims[] = {d, 3 * h};
    int64_t state[] = {batch_first ? b : d, batch_first ? d : b, h};
    c->steps = (size_t)t;
    c->batch = (size_t)b;
    c->inputs = (size_t)i;
    c->cell.hidden = (size_t)h;
    return fits(n, IN_W, SIB_F32, 3, w_dims) && fits(n, IN_R, SIB_F32, 3, r_dims) &&
           fits(n, IN_B, SIB_F32, 2, b_dims) && fits(n, IN_LENGTHS, SIB_I32, 1, &b) &&
           fits(n, IN_H, SIB_F32, 3, state) &&
           (kind != RECURRENT_LSTM ||
            (fits(n, IN_C, SIB_F32, 3, state) && fits(n, IN_P, SIB_F32, 2, p_dims)));
}

/* Sets the strides of X, Y and the states. */
static void set_strides(recurrent_state *s, bool batch_first)
{
    recurrent_call *c = &s->calls[0];
    size_t d = s->directions, t = c->steps, b = c->batch, i = c->inputs, h = c->cell.hidden;
    c->x_step = batch_first ? i : b * i;
    c->x_row = batch_first ? t * i : i;
    c->y_step = batch_first ? d * h : d * b * h;
    c->y_row = batch_first ? t * d * h : h;
    c->h_row = batch_first ? d * h : h;
    s->y_at = s->h_at = batch_first ? h : b * h;
}

static bool read_node(const node_view *n, recurrent_kind kind, recurrent_state *s)
{
    recurrent_spec spec = spec_recurrent(n->node);
    *s = (recurrent_state){.directions = spec.direction == DIRECTION_BOTH ? 2 : 1};
    if (!(spec.clip >= 0) || !read_dims(n, kind, &spec, s))
        return false;
    recurrent_call *c = &s->calls[0];
    set_strides(s, spec.layout);
    c->kind = kind;
    c->cell.panels = recurrent_panels(c->cell.hidden);
    c->cell.clip = spec.clip > 0 ? (float)spec.clip : INFINITY;
    c->cell.coupled = kind == RECURRENT_LSTM && spec.input_forget;
    static const float placeholder = 0;
    c->cell.r_hidden = kind == RECURRENT_GRU && !spec.linear_before_reset ? &placeholder : NULL;
    s->calls[1] = *c;
    c->backward = spec.direction == DIRECTION_REVERSE;
    s->calls[1].backward = true;
    return read_functions(&spec, kind, s);
}

/* ---- Prepare --------------------------------------------------------------------------------------- */

static void release(void *state)
{
    recurrent_state *s = state;
    for (size_t i = 0; i < 3; i++)
        mem_free(s->owned[i]);
    mem_free(s);
}

static sib_code prepare(const cpu_self *self, const node_view *n, recurrent_kind kind, void **state,
                        sib_error *err)
{
    recurrent_state *s = mem_calloc(1, sizeof *s);
    recurrent_weights k = {.s = s};
    sib_code code = SIB_OK;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    read_node(n, kind, s);
    const recurrent_call *c = &s->calls[0];
    s->scratch = recurrent_scratch(c);
    s->ready = n->in[IN_W]->constant && n->in[IN_R]->constant;
    k.b = recurrent_constant(n, IN_B, &s->ready);
    k.p = kind == RECURRENT_LSTM ? recurrent_constant(n, IN_P, &s->ready) : NULL;
    if (!s->scratch || !recurrent_sizes(c, &k.z))
        code = err_set(err, SIB_ERR_SIZE, "%zu sequences of %zu hidden units are too many", c->batch,
                       c->cell.hidden);
    else if (s->ready)
        code = recurrent_pack_constants(self, n, s, &k, err);
    double work = (double)c->steps * (double)c->batch * (double)c->cell.hidden *
                  (double)recurrent_gates(kind) * (double)(c->inputs + c->cell.hidden);
    s->apart = s->directions == 2 && work > WORTH_THREADS;
    if (code != SIB_OK) {
        release(s);
        return code;
    }
    *state = s;
    return SIB_OK;
}

/* ---- Running ------------------------------------------------------------------------------------------- */

/* p + n; NULL stays NULL. */
static float *after(const float *p, size_t n)
{
    return p ? (float *)p + n : NULL;
}

typedef struct both_directions {
    const recurrent_call *calls;
    float *scratch;
    size_t each;
    const struct sib_cancel *cancel;
} both_directions;

static void run_directions(void *context, size_t begin, size_t count, unsigned worker)
{
    const both_directions *o = context;
    (void)worker;
    for (size_t d = begin; d < begin + count; d++)
        recurrent_run(&o->calls[d], o->scratch + d * o->each, o->cancel);
}

static sib_code run(const cpu_call *c)
{
    const recurrent_state *s = c->state;
    recurrent_call calls[2];
    recurrent_weights k = {.s = s};
    size_t floats = s->scratch * s->directions;
    if (!s->ready) {
        recurrent_sizes(&s->calls[0], &k.z);
        floats += s->directions * (k.z.w + k.z.r + recurrent_small(&k.z));
    }
    float *scratch = cpu_scratch_take(c, floats * sizeof *scratch);
    if (!scratch)
        return cpu_no_memory(c, floats * sizeof *scratch);
    const float *x = cpu_floats_in(c, IN_X), *h = cpu_floats_in(c, IN_H), *state = NULL;
    const sib_tensor *lengths = cpu_in(c, IN_LENGTHS);
    float *y = cpu_floats_out(c, 0), *last_h = cpu_floats_out(c, 1), *last_c = NULL;
    if (s->calls[0].kind == RECURRENT_LSTM) {
        state = cpu_floats_in(c, IN_C);
        last_c = cpu_floats_out(c, 2);
    }
    for (size_t d = 0; d < s->directions; d++) {
        calls[d] = s->calls[d];
        calls[d].x = x;
        calls[d].lengths = lengths ? (const int32_t *)lengths->data : NULL;
        calls[d].y = after(y, d * s->y_at);
        calls[d].h = after(h, d * s->h_at);
        calls[d].c = after(state, d * s->h_at);
        calls[d].last_h = after(last_h, d * s->h_at);
        calls[d].last_c = after(last_c, d * s->h_at);
    }
    if (!s->ready)
        recurrent_pack_now(c, s, &k, calls, scratch + s->scratch * s->directions);
    both_directions o = {calls, scratch, s->scratch, c->cancel};
    pool_run(s->apart ? c->self->pool : NULL, s->directions, s->apart ? 1 : 2, run_directions, &o);
    cpu_scratch_give(c, scratch);
    return SIB_OK;
}

/* The elements of packed weights are not read again. */
static bool reads(const void *state, size_t i)
{
    const recurrent_state *s = state;
    return !s->ready || (i != IN_W && i != IN_R && i != IN_B && i != IN_P);
}

/* ---- The three operators ------------------------------------------------------------------------------- */

static bool claims(const node_view *n, recurrent_kind kind)
{
    recurrent_state s;
    return read_node(n, kind, &s);
}

static bool claims_lstm(const cpu_self *self, const node_view *n)
{
    (void)self;
    return claims(n, RECURRENT_LSTM);
}

static bool claims_gru(const cpu_self *self, const node_view *n)
{
    (void)self;
    return claims(n, RECURRENT_GRU);
}

static bool claims_rnn(const cpu_self *self, const node_view *n)
{
    (void)self;
    return claims(n, RECURRENT_RNN);
}

static sib_code prepare_lstm(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    return prepare(self, n, RECURRENT_LSTM, state, err);
}

static sib_code prepare_gru(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    return prepare(self, n, RECURRENT_GRU, state, err);
}

static sib_code prepare_rnn(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    return prepare(self, n, RECURRENT_RNN, state, err);
}

const cpu_kernel cpu_lstm = {
    .claims = claims_lstm, .prepare = prepare_lstm, .release = release, .run = run, .reads = reads};
const cpu_kernel cpu_gru = {
    .claims = claims_gru, .prepare = prepare_gru, .release = release, .run = run, .reads = reads};
const cpu_kernel cpu_rnn = {
    .claims = claims_rnn, .prepare = prepare_rnn, .release = release, .run = run, .reads = reads};
