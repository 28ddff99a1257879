#include "job/nodes/called_whisper.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { CALL_ENCODER, CALL_DECODER, CALL_ALIGNER };
static const char *const call_names[] = {"encoder", "decoder", "aligner"};

static sib_code bad_call(const job_step *s, size_t call, const char *what, sib_error *err)
{
    return err_set(err, SIB_ERR_ARGUMENT, "%s: call '%s' %s", s->node->name, call_names[call], what);
}

/* A call with up to two tensors by port name; out: (outputs of the plan), owned by the caller: release(). */
typedef struct invocation {
    job_value *in[2];
    const char *ports[2];
    sib_value **out;
    size_t n_out;
} invocation;

static void release(invocation *v)
{
    for (size_t i = 0; i < 2; i++)
        job_value_release(v->in[i]);
    for (size_t i = 0; v->out && i < v->n_out; i++)
        sib_value_free(&v->out[i]);
    mem_free(v->out);
    v->out = NULL;
}

static sib_code invoke(const job_step *s, size_t call, invocation *v, sib_error *err)
{
    const call_plan *p = job_call_plan(s->calls[call]);
    size_t n_in = 0;
    while (call_plan_input(p, n_in))
        n_in++;
    while (call_plan_output(p, v->n_out))
        v->n_out++;
    job_value **in = mem_calloc(n_in + 1, sizeof *in);
    v->out = mem_calloc(v->n_out + 1, sizeof *v->out);
    sib_code code = in && v->out ? SIB_OK : err_memory(err, n_in * sizeof *in, "ports of a call");
    for (size_t i = 0; i < 2 && v->ports[i] && code == SIB_OK; i++) {
        size_t port = call_plan_input_named(p, v->ports[i]);
        if (!v->in[i])
            code = err_memory(err, sizeof *v->in[i], "inputs of a call");
        else if (port == NO_INDEX)
            code = bad_call(s, call, "must have the ports 'mel', or 'tokens' and 'at'", err);
        else
            in[port] = v->in[i];
    }
    if (code == SIB_OK)
        code = job_call_start(s->calls[call], in, v->out, err);
    mem_free(in);
    return code;
}

/* Copies output `port` of n elements to out, as float32. */
static sib_code take(const job_step *s, size_t call, const invocation *v, const char *port, size_t first,
                     size_t n, float *out, sib_error *err)
{
    size_t i = call_plan_output_named(job_call_plan(s->calls[call]), port);
    const sib_tensor *t = i == NO_INDEX ? NULL : sib_value_tensor(v->out[i]);
    if (!t || sib_tensor_count(t) < first + n || !sib_tensor_is_dense(t))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: call '%s' must give '%s' of %zu elements", s->node->name,
                       call_names[call], port, first + n);
    sib_code code = sib_value_fetch(v->out[i], err);
    if (code != SIB_OK)
        return code;
    sib_dtype dtype = sib_tensor_dtype(t);
    const char *data = (const char *)sib_tensor_data(t) + first * (sib_dtype_bits(dtype) / 8);
    return sib_convert(dtype, data, SIB_F32, out, n, SIB_OVERFLOW_IEEE, err);
}

static sib_code model_encode(void *self, const float *mel, sib_error *err)
{
    called_whisper *c = self;
    int64_t dims[] = {1, (int64_t)c->m.n_mels, 2 * (int64_t)c->m.n_audio_ctx};
    invocation v = {{job_value_over(SIB_F32, 3, dims, mel)}, {"mel"}, NULL, 0};
    sib_code code = invoke(c->s, CALL_ENCODER, &v, err);
    release(&v);
    job_call_reset(c->s->calls[CALL_DECODER]);
    return code;
}

static sib_code model_step(void *self, size_t beams, size_t n, const int32_t *tokens, size_t n_at,
                           const size_t *at, float *logits, sib_error *err)
{
    called_whisper *c = self;
    int64_t dims[] = {(int64_t)beams, (int64_t)n}, places = (int64_t)n_at;
    int64_t *positions = mem_alloc(n_at + 1, sizeof *positions);
    for (size_t i = 0; positions && i < n_at; i++)
        positions[i] = (int64_t)at[i];
    invocation v = {{job_value_over(SIB_I32, 2, dims, tokens),
                     positions ? job_value_over(SIB_I64, 1, &places, positions) : NULL},
                    {"tokens", "at"},
                    NULL,
                    0};
    sib_code code = invoke(c->s, CALL_DECODER, &v, err);
    if (code == SIB_OK)
        code = take(c->s, CALL_DECODER, &v, "logits", 0, beams * n_at * c->m.n_vocab, logits, err);
    release(&v);
    mem_free(positions);
    return code;
}

static sib_code model_reorder(void *self, size_t beams, const size_t *from, sib_error *err)
{
    called_whisper *c = self;
    return job_call_reorder(c->s->calls[CALL_DECODER], beams, from, err);
}

static sib_code model_rewind(void *self, sib_error *err)
{
    called_whisper *c = self;
    (void)err;
    job_call_reset(c->s->calls[CALL_DECODER]);
    return SIB_OK;
}

static sib_code model_align(void *self, size_t n, const int32_t *tokens, size_t n_heads,
                            const int32_t (*heads)[2], float *scores, float *logits, sib_error *err)
{
    called_whisper *c = self;
    size_t row = n * c->m.n_audio_ctx;
    int64_t dims[] = {1, (int64_t)n}, places = (int64_t)n;
    int64_t *positions = mem_alloc(n + 1, sizeof *positions);
    for (size_t i = 0; positions && i < n; i++)
        positions[i] = (int64_t)i;
    invocation v = {{job_value_over(SIB_I32, 2, dims, tokens),
                     positions ? job_value_over(SIB_I64, 1, &places, positions) : NULL},
                    {"tokens", "at"},
                    NULL,
                    0};
    job_call_reset(c->s->calls[CALL_ALIGNER]);
    sib_code code = invoke(c->s, CALL_ALIGNER, &v, err);
    if (code == SIB_OK)
        code = take(c->s, CALL_ALIGNER, &v, "logits", 0, n * c->m.n_vocab, logits, err);
    for (size_t i = 0; i < n_heads && code == SIB_OK; i++) { /* scores.<layer>: [1, heads, n, n_audio_ctx] */
        char port[32];
        snprintf(port, sizeof port, "scores.%d", (int)heads[i][0]);
        code = take(c->s, CALL_ALIGNER, &v, port, (size_t)heads[i][1] * row, row, scores + i * row, err);
    }
    release(&v);
    mem_free(positions);
    job_call_reset(c->s->calls[CALL_ALIGNER]);
    job_call_reset(c->s->calls[CALL_DECODER]);
    return code;
}

/* Size of an axis, counted from the end, of a port that is required. */
static sib_code axis_of(const job_step *s, size_t call, const call_port *port, size_t from_end, size_t *out,
                        sib_error *err)
{
    if (!port || !port->info.ranked || port->info.rank < from_end ||
        port->info.dims[port->info.rank - from_end] < 1)
        return bad_call(
            s, call, "must have ports of known dims: mel [b, bands, frames], logits [b, n, vocabulary]", err);
    *out = (size_t)port->info.dims[port->info.rank - from_end];
    return SIB_OK;
}

/* NULL where the node has none. */
static const job_call *aligner(const job_step *s)
{
    return s->node->op->n_calls > CALL_ALIGNER ? s->calls[CALL_ALIGNER] : NULL;
}

/* Reads layers and heads from the aligner's scores; none without an aligner. */
static sib_code read_layers(const job_step *s, whisper_model *m, sib_error *err)
{
    if (!aligner(s))
        return SIB_OK;
    const call_plan *p = job_call_plan(aligner(s));
    size_t i;
    for (m->n_text_layer = 0;; m->n_text_layer++) {
        char port[32];
        snprintf(port, sizeof port, "scores.%zu", m->n_text_layer);
        if ((i = call_plan_output_named(p, port)) == NO_INDEX)
            break;
        sib_code code = axis_of(s, CALL_ALIGNER, call_plan_output(p, i), 3, &m->n_text_head, err);
        if (code != SIB_OK)
            return code;
    }
    return m->n_text_layer ? SIB_OK : bad_call(s, CALL_ALIGNER, "must have a port 'scores.0'", err);
}

static sib_code read_heads(const job_step *s, called_whisper *c, sib_error *err)
{
    const double *list;
    size_t n;
    if (!aligner(s))
        return SIB_OK;
    step_numbers(s, WHISPER_IN_ALIGNMENT_HEADS, &list, &n);
    if (!n)
        return SIB_OK;
    if (!(c->heads = mem_alloc(n, sizeof *c->heads)))
        return err_memory(err, n * sizeof *c->heads, "alignment heads");
    for (size_t i = 0; i < n; i++) {
        double max = (double)(i % 2 ? c->m.n_text_head : c->m.n_text_layer);
        if (n % 2 || !(list[i] >= 0 && list[i] < max) || list[i] != floor(list[i]))
            return err_set(err, SIB_ERR_ARGUMENT, "%s: alignment_heads must be pairs of a layer and a head",
                           s->node->name);
        c->heads[i / 2][i % 2] = (int32_t)list[i];
    }
    c->m.alignment_heads = (const int32_t(*)[2])c->heads;
    c->m.n_alignment_heads = n / 2;
    return SIB_OK;
}

sib_code called_whisper_make(const job_step *s, called_whisper *c, sib_error *err)
{
    const call_plan *encoder = job_call_plan(s->calls[CALL_ENCODER]),
                    *decoder = job_call_plan(s->calls[CALL_DECODER]);
    size_t mel = call_plan_input_named(encoder, "mel"), logits = call_plan_output_named(decoder, "logits"),
           frames = 0;
    whisper_model *m = &c->m;
    *c = (called_whisper){.s = s};
    sib_code code =
        axis_of(s, CALL_ENCODER, mel == NO_INDEX ? NULL : call_plan_input(encoder, mel), 2, &m->n_mels, err);
    if (code == SIB_OK)
        code = axis_of(s, CALL_ENCODER, call_plan_input(encoder, mel), 1, &frames, err);
    if (code == SIB_OK)
        code = axis_of(s, CALL_DECODER, logits == NO_INDEX ? NULL : call_plan_output(decoder, logits), 1,
                       &m->n_vocab, err);
    if (code == SIB_OK)
        code = step_count(s, WHISPER_IN_N_TEXT_CTX, 0, 1, 1 << 20, &m->n_text_ctx, err);
    if (code == SIB_OK)
        code = read_layers(s, m, err);
    if (code == SIB_OK)
        code = read_heads(s, c, err);
    if (code != SIB_OK)
        return code;
    m->self = c;
    m->n_audio_ctx = frames / 2;
    m->multilingual = step_flag(s, WHISPER_IN_MULTILINGUAL, true);
    m->encode = model_encode;
    m->step = model_step;
    m->reorder = model_reorder;
    m->rewind = model_rewind;
    m->align = aligner(s) ? model_align : NULL;
    return SIB_OK;
}

void called_whisper_clear(called_whisper *c)
{
    mem_free(c->heads);
    c->heads = NULL;
}
