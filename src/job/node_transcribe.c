/* Whisper's procedure as a node: three calls of a model, with options by the names of openai-whisper. */
#include "base/alloc.h"
#include "base/error.h"
#include "job/op.h"
#include "job/whisper/whisper.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    IN_AUDIO,
    IN_N_TEXT_CTX,
    IN_MULTILINGUAL,
    IN_ALIGNMENT_HEADS,
    IN_LANGUAGE,
    IN_TASK,
    IN_TEMPERATURE,
    IN_BEST_OF,
    IN_BEAM_SIZE,
    IN_PATIENCE,
    IN_LENGTH_PENALTY,
    IN_SAMPLE_LEN,
    IN_COMPRESSION_RATIO_THRESHOLD,
    IN_LOGPROB_THRESHOLD,
    IN_NO_SPEECH_THRESHOLD,
    IN_CONDITION,
    IN_INITIAL_PROMPT,
    IN_CARRY_INITIAL_PROMPT,
    IN_PREFIX,
    IN_HOTWORDS,
    IN_SUPPRESS_TOKENS,
    IN_SUPPRESS_BLANK,
    IN_WITHOUT_TIMESTAMPS,
    IN_MAX_INITIAL_TIMESTAMP,
    IN_WORD_TIMESTAMPS,
    IN_PREPEND_PUNCTUATIONS,
    IN_APPEND_PUNCTUATIONS,
    IN_CLIP_TIMESTAMPS,
    IN_HALLUCINATION_SILENCE_THRESHOLD,
    IN_SEED
};
static const job_port transcribe_inputs[] = {
    {"audio", SIB_PORT_AUDIO, true, "samples [n] at 16 kHz"},
    {"n_text_ctx", SIB_PORT_NUMBER, true, "max tokens of the decoder's context"},
    {"multilingual", SIB_PORT_FLAG, false, "the model has languages and tasks (true)"},
    {"alignment_heads", SIB_PORT_NUMBERS, false,
     "layer, head, layer, head, ...: heads that align with words (all of the upper half of the layers)"},
    {"language", SIB_PORT_TEXT, false, "spoken language, code or name (detected)"},
    {"task", SIB_PORT_TEXT, false, "transcribe (default), or translate into English"},
    {"temperature", SIB_PORT_NUMBERS, false, "tried one after the other (0 0.2 0.4 0.6 0.8 1)"},
    {"best_of", SIB_PORT_NUMBER, false, "number of samples above temperature 0"},
    {"beam_size", SIB_PORT_NUMBER, false, "hypotheses at temperature 0 (none: greedy)"},
    {"patience", SIB_PORT_NUMBER, false,
     "beam search ends with patience * beam_size complete hypotheses (1)"},
    {"length_penalty", SIB_PORT_NUMBER, false, "exponent of Google's NMT (none: mean over the length)"},
    {"sample_len", SIB_PORT_NUMBER, false, "max tokens of a window (half of n_text_ctx)"},
    {"compression_ratio_threshold", SIB_PORT_NUMBER, false,
     "a window whose text compresses better fails (2.4)"},
    {"logprob_threshold", SIB_PORT_NUMBER, false, "a window of lower mean log probability fails (-1)"},
    {"no_speech_threshold", SIB_PORT_NUMBER, false, "above it a window that fails is silence (0.6)"},
    {"condition_on_previous_text", SIB_PORT_FLAG, false,
     "use the text so far as prompt of the next window (true)"},
    {"initial_prompt", SIB_PORT_TEXT, false, "text before the first window"},
    {"carry_initial_prompt", SIB_PORT_FLAG, false, "repeat the initial prompt before each window (false)"},
    {"prefix", SIB_PORT_TEXT, false, "what each window begins with"},
    {"hotwords", SIB_PORT_TEXT, false, "words to expect, before each window's prompt"},
    {"suppress_tokens", SIB_PORT_TEXT, false,
     "ids that are never chosen; -1: symbols that are not speech (-1)"},
    {"suppress_blank", SIB_PORT_FLAG, false, "a window does not begin with a blank (true)"},
    {"without_timestamps", SIB_PORT_FLAG, false, "text alone (false)"},
    {"max_initial_timestamp", SIB_PORT_NUMBER, false, "latest first timestamp of a window, seconds (1)"},
    {"word_timestamps", SIB_PORT_FLAG, false, "times of words (false)"},
    {"prepend_punctuations", SIB_PORT_TEXT, false, "marks that belong to the next word"},
    {"append_punctuations", SIB_PORT_TEXT, false, "marks that belong to the previous word"},
    {"clip_timestamps", SIB_PORT_NUMBERS, false,
     "start, end, start, ... of what is transcribed, seconds (all)"},
    {"hallucination_silence_threshold", SIB_PORT_NUMBER, false,
     "skip longer silence around doubtful words, seconds"},
    {"seed", SIB_PORT_NUMBER, false, "of sampling (0)"}};
enum { OUT_TEXT, OUT_SEGMENTS, OUT_LANGUAGE, OUT_LANGUAGE_PROBABILITY };
static const job_port transcribe_outputs[] = {
    {"text", SIB_PORT_TEXT, false, "all of it"},
    {"segments", SIB_PORT_SEGMENTS, false, "with times"},
    {"language", SIB_PORT_TEXT, false, "code"},
    {"language_probability", SIB_PORT_NUMBER, false, "of the detected language, else NaN"}};

enum { CALL_ENCODER, CALL_DECODER, CALL_ALIGNER };
static const char *const transcribe_calls[] = {"encoder", "decoder", "aligner"};

/* ---- The model ----------------------------------------------------------------------------------------- */

/* Ports of the calls, and memory for their values. */
typedef struct called_model {
    const job_step *s;
    whisper_model m;
    int32_t (*heads)[2]; /* (m.n_alignment_heads) or NULL */
} called_model;

static sib_code bad_call(const job_step *s, size_t call, const char *what, sib_error *err)
{
    return err_set(err, SIB_ERR_ARGUMENT, "%s: call '%s' %s", s->node->name, transcribe_calls[call], what);
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
        code = job_call_run(s->calls[call], in, v->out, err);
    mem_free(in);
    return code;
}

/* A tensor over elements that outlive it. */
static job_value *over(sib_dtype dtype, size_t rank, const int64_t *dims, const void *data)
{
    sib_tensor *t;
    sib_value *v = NULL;
    if (sib_tensor_wrap(dtype, rank, dims, NULL, (void *)data, NULL, NULL, &t, NULL) != SIB_OK)
        return NULL;
    sib_value_from_tensor(t, &v, NULL);
    sib_tensor_free(&t);
    return job_value_tensor(v, SIB_PORT_TENSOR);
}

/* Copies output `port` of n elements to out, as float32. */
static sib_code take(const job_step *s, size_t call, const invocation *v, const char *port, size_t first,
                     size_t n, float *out, sib_error *err)
{
    size_t i = call_plan_output_named(job_call_plan(s->calls[call]), port);
    const sib_tensor *t = i == NO_INDEX ? NULL : sib_value_tensor(v->out[i]);
    if (!t || sib_tensor_count(t) < first + n || !sib_tensor_is_dense(t))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: call '%s' must give '%s' of %zu elements", s->node->name,
                       transcribe_calls[call], port, first + n);
    sib_dtype dtype = sib_tensor_dtype(t);
    const char *data = (const char *)sib_tensor_data(t) + first * (sib_dtype_bits(dtype) / 8);
    return sib_convert(dtype, data, SIB_F32, out, n, SIB_OVERFLOW_IEEE, err);
}

static sib_code model_encode(void *self, const float *mel, sib_error *err)
{
    called_model *c = self;
    int64_t dims[] = {1, (int64_t)c->m.n_mels, 2 * (int64_t)c->m.n_audio_ctx};
    invocation v = {{over(SIB_F32, 3, dims, mel)}, {"mel"}, NULL, 0};
    sib_code code = invoke(c->s, CALL_ENCODER, &v, err);
    release(&v);
    job_call_reset(c->s->calls[CALL_DECODER]);
    return code;
}

static sib_code model_step(void *self, size_t beams, size_t n, const int32_t *tokens, size_t n_at,
                           const size_t *at, float *logits, sib_error *err)
{
    called_model *c = self;
    int64_t dims[] = {(int64_t)beams, (int64_t)n}, places = (int64_t)n_at;
    int64_t *positions = mem_alloc(n_at + 1, sizeof *positions);
    for (size_t i = 0; positions && i < n_at; i++)
        positions[i] = (int64_t)at[i];
    invocation v = {{over(SIB_I32, 2, dims, tokens), positions ? over(SIB_I64, 1, &places, positions) : NULL},
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
    called_model *c = self;
    return job_call_reorder(c->s->calls[CALL_DECODER], beams, from, err);
}

static sib_code model_rewind(void *self, sib_error *err)
{
    called_model *c = self;
    (void)err;
    job_call_reset(c->s->calls[CALL_DECODER]);
    return SIB_OK;
}

static sib_code model_align(void *self, size_t n, const int32_t *tokens, size_t n_heads,
                            const int32_t (*heads)[2], float *scores, float *logits, sib_error *err)
{
    called_model *c = self;
    size_t row = n * c->m.n_audio_ctx;
    int64_t dims[] = {1, (int64_t)n}, places = (int64_t)n;
    int64_t *positions = mem_alloc(n + 1, sizeof *positions);
    for (size_t i = 0; positions && i < n; i++)
        positions[i] = (int64_t)i;
    invocation v = {{over(SIB_I32, 2, dims, tokens), positions ? over(SIB_I64, 1, &places, positions) : NULL},
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

/* Reads layers and heads from the aligner's scores; none without an aligner. */
static sib_code read_layers(const job_step *s, whisper_model *m, sib_error *err)
{
    if (!s->calls[CALL_ALIGNER])
        return SIB_OK;
    const call_plan *p = job_call_plan(s->calls[CALL_ALIGNER]);
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

static sib_code read_heads(const job_step *s, called_model *c, sib_error *err)
{
    const double *list;
    size_t n;
    step_numbers(s, IN_ALIGNMENT_HEADS, &list, &n);
    if (!n || !s->calls[CALL_ALIGNER])
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

static sib_code make_model(const job_step *s, called_model *c, sib_error *err)
{
    const call_plan *encoder = job_call_plan(s->calls[CALL_ENCODER]),
                    *decoder = job_call_plan(s->calls[CALL_DECODER]);
    size_t mel = call_plan_input_named(encoder, "mel"), logits = call_plan_output_named(decoder, "logits"),
           frames = 0;
    whisper_model *m = &c->m;
    *c = (called_model){.s = s};
    sib_code code =
        axis_of(s, CALL_ENCODER, mel == NO_INDEX ? NULL : call_plan_input(encoder, mel), 2, &m->n_mels, err);
    if (code == SIB_OK)
        code = axis_of(s, CALL_ENCODER, call_plan_input(encoder, mel), 1, &frames, err);
    if (code == SIB_OK)
        code = axis_of(s, CALL_DECODER, logits == NO_INDEX ? NULL : call_plan_output(decoder, logits), 1,
                       &m->n_vocab, err);
    if (code == SIB_OK)
        code = step_count(s, IN_N_TEXT_CTX, 0, 1, 1 << 20, &m->n_text_ctx, err);
    if (code == SIB_OK)
        code = read_layers(s, m, err);
    if (code == SIB_OK)
        code = read_heads(s, c, err);
    if (code != SIB_OK)
        return code;
    m->self = c;
    m->n_audio_ctx = frames / 2;
    m->multilingual = step_flag(s, IN_MULTILINGUAL, true);
    m->encode = model_encode;
    m->step = model_step;
    m->reorder = model_reorder;
    m->rewind = model_rewind;
    m->align = s->calls[CALL_ALIGNER] ? model_align : NULL;
    return SIB_OK;
}

/* ---- Options ------------------------------------------------------------------------------------------- */

static sib_code read_options(const job_step *s, whisper_options *o, sib_error *err)
{
    const char *task = step_text(s, IN_TASK, "transcribe");
    whisper_options_default(o);
    o->translate = !strcmp(task, "translate");
    if (!o->translate && strcmp(task, "transcribe"))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: task is '%s', expected transcribe or translate",
                       s->node->name, task);
    o->language = step_text(s, IN_LANGUAGE, NULL);
    if (s->in[IN_TEMPERATURE])
        step_numbers(s, IN_TEMPERATURE, &o->temperature, &o->n_temperatures);
    if (s->in[IN_CLIP_TIMESTAMPS])
        step_numbers(s, IN_CLIP_TIMESTAMPS, &o->clip_timestamps, &o->n_clips);
    const struct {
        size_t port;
        size_t *to;
    } counts[] = {{IN_BEST_OF, &o->best_of}, {IN_BEAM_SIZE, &o->beam_size}, {IN_SAMPLE_LEN, &o->sample_len}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        sib_code code = step_count(s, counts[i].port, *counts[i].to, 0, 1 << 20, counts[i].to, err);
        if (code != SIB_OK)
            return code;
    }
    const struct {
        size_t port;
        double *to;
    } numbers[] = {{IN_PATIENCE, &o->patience},
                   {IN_LENGTH_PENALTY, &o->length_penalty},
                   {IN_COMPRESSION_RATIO_THRESHOLD, &o->compression_ratio_threshold},
                   {IN_LOGPROB_THRESHOLD, &o->logprob_threshold},
                   {IN_NO_SPEECH_THRESHOLD, &o->no_speech_threshold},
                   {IN_MAX_INITIAL_TIMESTAMP, &o->max_initial_timestamp},
                   {IN_HALLUCINATION_SILENCE_THRESHOLD, &o->hallucination_silence_threshold}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i].to = step_number(s, numbers[i].port, *numbers[i].to);
    const struct {
        size_t port;
        const char **to;
    } texts[] = {{IN_INITIAL_PROMPT, &o->initial_prompt},
                 {IN_PREFIX, &o->prefix},
                 {IN_HOTWORDS, &o->hotwords},
                 {IN_SUPPRESS_TOKENS, &o->suppress_tokens},
                 {IN_PREPEND_PUNCTUATIONS, &o->prepend_punctuations},
                 {IN_APPEND_PUNCTUATIONS, &o->append_punctuations}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i].to = step_text(s, texts[i].port, *texts[i].to);
    const struct {
        size_t port;
        bool *to;
    } flags[] = {{IN_CONDITION, &o->condition_on_previous_text},
                 {IN_CARRY_INITIAL_PROMPT, &o->carry_initial_prompt},
                 {IN_SUPPRESS_BLANK, &o->suppress_blank},
                 {IN_WITHOUT_TIMESTAMPS, &o->without_timestamps},
                 {IN_WORD_TIMESTAMPS, &o->word_timestamps}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        *flags[i].to = step_flag(s, flags[i].port, *flags[i].to);
    o->seed = (uint64_t)fmax(0, fmin(step_number(s, IN_SEED, 0), 0x1p53));
    return SIB_OK;
}

/* ---- The node ------------------------------------------------------------------------------------------ */

static void drop_transcript(void *owner)
{
    whisper_transcript_free(owner);
    mem_free(owner);
}

static sib_code give_transcript(job_step *s, whisper_transcript *t, sib_error *err)
{
    sib_port_value segments = {.type = SIB_PORT_SEGMENTS, .segments = {t->segments, t->n_segments}};
    sib_code code = step_give(s, OUT_TEXT, job_value_text(t->text, strlen(t->text)), err);
    if (code == SIB_OK)
        code = step_give(s, OUT_LANGUAGE, job_value_text(t->language, strlen(t->language)), err);
    if (code == SIB_OK)
        code = step_give(s, OUT_LANGUAGE_PROBABILITY, job_value_number(t->language_probability), err);
    if (code != SIB_OK) {
        drop_transcript(t);
        return code;
    }
    return step_give(s, OUT_SEGMENTS, job_value_owning(segments, t, drop_transcript), err);
}

static sib_code transcribe_run(job_step *s, sib_error *err)
{
    const float *samples; /* (n) */
    size_t n;
    whisper_options o;
    called_model model;
    sib_code code = step_samples(s, IN_AUDIO, &samples, &n, err);
    if (code == SIB_OK)
        code = read_options(s, &o, err);
    if (code != SIB_OK)
        return code;
    code = make_model(s, &model, err);
    if (code == SIB_OK && o.word_timestamps && !model.m.align)
        code = bad_call(s, CALL_ALIGNER, "is needed for word timestamps and missing", err);
    whisper_transcript *t = code == SIB_OK ? mem_calloc(1, sizeof *t) : NULL;
    if (code == SIB_OK)
        code = t ? whisper_transcribe(&model.m, s->tokenizer, s->pool, samples, n, &o, s->watch, t, err)
                 : err_memory(err, sizeof *t, "a transcript");
    mem_free(model.heads);
    if (code == SIB_OK)
        return give_transcript(s, t, err);
    mem_free(t);
    return code;
}

const job_op job_op_transcribe = {.name = "transcribe",
                                  .meaning = "speech to text by Whisper's procedure",
                                  .inputs = transcribe_inputs,
                                  .n_inputs = sizeof transcribe_inputs / sizeof *transcribe_inputs,
                                  .outputs = transcribe_outputs,
                                  .n_outputs = sizeof transcribe_outputs / sizeof *transcribe_outputs,
                                  .calls = transcribe_calls,
                                  .n_calls = 3,
                                  .n_needed = 2,
                                  .tokenizer = true,
                                  .run = transcribe_run};
