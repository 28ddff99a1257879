/* Features of audio: the kernels of sibyl/features.h as operators. Their numbers are float32; what is not, and
   recordings too short for a frame, are left to the lowering. */
#include "backend/cpu/call/scratch.h"
#include "features/compute.h"

/* x [..., rows, columns] or [..., samples], as `count` parts of the last `inner` axes. */
typedef struct parts {
    size_t count, rows, columns, samples;      /* of the input; samples = rows * columns */
    size_t out_rows, out_columns, out_samples; /* of the output, whose last axes are [rows, columns] */
} parts;

/* Reads the dims of a float32 node; false where one is unknown or 0. */
static bool read_parts(const node_view *n, size_t inner, parts *p)
{
    int64_t in[SIB_MAX_RANK], out[SIB_MAX_RANK];
    size_t rank, out_rank;
    if (cpu_dtype(n->in[0]) != SIB_F32 || cpu_dtype(n->out[0]) != SIB_F32 ||
        !cpu_dims(n, n->in[0], &rank, in) || !cpu_dims(n, n->out[0], &out_rank, out) || rank < inner ||
        out_rank < 2)
        return false;
    *p = (parts){.count = 1, .rows = inner > 1 ? (size_t)in[rank - 2] : 1, .columns = (size_t)in[rank - 1]};
    p->samples = p->rows * p->columns;
    p->out_rows = (size_t)out[out_rank - 2];
    p->out_columns = (size_t)out[out_rank - 1];
    p->out_samples = p->out_rows * p->out_columns;
    for (size_t i = 0; i + inner < rank; i++)
        p->count *= (size_t)in[i];
    return p->count && p->samples && p->out_samples;
}

/* ---- LogMelSpectrogram --------------------------------------------------------------------------------- */

typedef struct mel_state {
    sib_mel *mel;
    parts parts;
} mel_state;

static bool mel_claims(const cpu_self *self, const node_view *n)
{
    parts p;
    const mel_spec given = spec_mel(n->node);
    const sib_mel_spec s = spec_front_end(&given);
    (void)self;
    return read_parts(n, 1, &p) &&
           (s.framing != SIB_FRAMING_CENTER_REFLECT || p.samples > (size_t)s.n_fft / 2);
}

static void mel_release(void *state)
{
    sib_mel_free(&((mel_state *)state)->mel);
    mem_free(state);
}

static sib_code mel_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    const mel_spec given = spec_mel(n->node);
    const sib_mel_spec spec = spec_front_end(&given);
    mel_state *s = mem_calloc(1, sizeof *s);
    (void)self;
    *state = NULL;
    if (!s)
        return err_memory(err, sizeof *s, "a front end");
    read_parts(n, 1, &s->parts);
    const sib_code code = sib_mel_create(&spec, NULL, &s->mel, err);
    if (code == SIB_OK)
        *state = s;
    else
        mel_release(s);
    return code;
}

static sib_code mel_run(const cpu_call *c)
{
    const mel_state *s = c->state;
    const parts *p = &s->parts;
    const float *x = sib_tensor_data(cpu_in(c, 0));
    float *y = sib_tensor_data(cpu_out(c, 0));
    const size_t bytes = mel_compute_bytes(s->mel, c->self->pool, p->samples);
    void *memory = cpu_scratch_take(c, bytes);
    sib_code code = memory ? SIB_OK : cpu_no_memory(c, bytes);
    for (size_t i = 0; i < p->count && code == SIB_OK; i++) {
        sib_error err = SIB_ERROR_INIT;
        code = mel_compute_in(memory, s->mel, c->self->pool, x + i * p->samples, p->samples, 0,
                              y + i * p->out_samples, p->out_columns, &err);
        if (code != SIB_OK)
            cpu_fail(c, code, "recording %zu: %s", i, err.message);
    }
    cpu_scratch_give(c, memory);
    return code;
}

const cpu_kernel cpu_log_mel = {
    .claims = mel_claims, .prepare = mel_prepare, .release = mel_release, .run = mel_run};

/* ---- AveragePool3x3 ------------------------------------------------------------------------------------ */

typedef struct smooth_state {
    sib_smooth mode;
    parts parts;
} smooth_state;

static bool smooth_claims(const cpu_self *self, const node_view *n)
{
    parts p;
    (void)self;
    return read_parts(n, 2, &p);
}

static sib_code smooth_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    smooth_state *s = *state = mem_calloc(1, sizeof *s);
    (void)self;
    if (!s)
        return err_memory(err, sizeof *s, "a 3 x 3 average");
    s->mode = spec_smooth(n->node).mode;
    read_parts(n, 2, &s->parts);
    return SIB_OK;
}

static void smooth_parts(void *context, size_t begin, size_t count, unsigned worker)
{
    const cpu_call *c = context;
    const smooth_state *s = c->state;
    const parts *p = &s->parts;
    const float *x = sib_tensor_data(cpu_in(c, 0));
    float *y = sib_tensor_data(cpu_out(c, 0));
    (void)worker;
    for (size_t i = begin; i < begin + count; i++) /* the dims hold, so it does not fail */
        sib_smooth3x3(s->mode, x + i * p->samples, p->rows, p->columns, p->columns, y + i * p->out_samples,
                      p->out_columns, NULL);
}

static sib_code smooth_run(const cpu_call *c)
{
    const smooth_state *s = c->state;
    pool_run(c->self->pool, s->parts.count, 1, smooth_parts, (void *)c);
    return SIB_OK;
}

const cpu_kernel cpu_smooth = {.claims = smooth_claims, .prepare = smooth_prepare, .run = smooth_run};
