/* Text to speech by a decoder that makes frames step by step, each of the last frame of the step before (SpeechT5, Ao et al. 2022).
   What its prenet drops, always, is drawn here by numbers that depend on a seed alone. */
#include "base/alloc.h"
#include "base/array.h"
#include "base/cancel.h"
#include "base/error.h"
#include "job/nodes/speech.h"
#include "job/whisper/search.h"

#include <math.h>
#include <string.h>

#define MAX_FRAMES  (1 << 20)
#define MAX_NUMBERS (1 << 20) /* of a frame, a speaker, or what is kept in a step */

enum {
    IN_TOKENS,
    IN_SPEAKER,
    IN_RATE,
    IN_TEXT_CONTEXT,
    IN_CONTEXT,
    IN_PAD,
    IN_SEED,
    IN_DROPOUT,
    IN_KEPT,
    IN_THRESHOLD,
    IN_MIN_RATIO,
    IN_MAX_RATIO
};
static const job_port utter_inputs[] = {
    {"tokens", SIB_PORT_TOKENS, true, "ids of what is said"},
    {"speaker_embedding", SIB_PORT_TENSOR, true, "float32 [n]: who says it"},
    {"rate", SIB_PORT_NUMBER, true, "samples per second"},
    {"n_text_ctx", SIB_PORT_NUMBER, true, "max tokens"},
    {"n_ctx", SIB_PORT_NUMBER, true, "max steps"},
    {"pad", SIB_PORT_NUMBER, false, "a token that cannot be said; -1: none (-1)"},
    {"seed", SIB_PORT_NUMBER, false, "of what is dropped (0)"},
    {"dropout", SIB_PORT_NUMBER, false,
     "share of the prenet's numbers that is dropped in each step; 0: none (0.5)"},
    {"kept", SIB_PORT_TENSOR, false,
     "float32 [steps or more, layers, units], 0 for what is dropped and 1, in place of drawn numbers"},
    {"threshold", SIB_PORT_NUMBER, false, "probability at which speech ends (0.5)"},
    {"min_ratio", SIB_PORT_NUMBER, false, "min frames for each token (0)"},
    {"max_ratio", SIB_PORT_NUMBER, false, "max frames for each token: speech ends there (20)"}};

enum { OUT_SAMPLES, OUT_RATE, OUT_SPECTROGRAM };
static const job_port utter_outputs[] = {
    {"samples", SIB_PORT_AUDIO, false, "float32 [n], from -1 to 1"},
    {"sample_rate", SIB_PORT_NUMBER, false, "as it was given"},
    {"spectrogram", SIB_PORT_TENSOR, false, "float32 [1, frames, bins]"}};

enum { CALL_ENCODER, CALL_DECODER, CALL_VOCODER };
static const char *const utter_calls[] = {"encoder", "decoder", "vocoder"};

typedef struct uttering {
    const job_step *s;
    uint64_t seed;
    size_t n, n_ctx, n_speaker; /* tokens, max steps, numbers of the speaker */
    double dropout, threshold, min_ratio, max_ratio;
    size_t layers, units, bins; /* of the prenet, and of a frame */
    sib_tensor *speaker;        /* float32 */
    const float *masks;         /* (n_masks, layers, units) NULL: drawn */
    size_t n_masks;
    float *kept;   /* (layers, units) of a step */
    float *frames; /* (n_numbers) */
    size_t n_numbers, capacity;
} uttering;

/* ---- Sizes ---------------------------------------------------------------------------------------------- */

/* A dim of a port of the decoder, which the model must say. */
static sib_code read_size(const uttering *p, const char *port, size_t rank, size_t dim, size_t *out,
                          sib_error *err)
{
    const call_plan *plan = job_call_plan(p->s->calls[CALL_DECODER]);
    const size_t at = call_plan_input_named(plan, port);
    const sib_value_info *info = at == NO_INDEX ? NULL : &call_plan_input(plan, at)->info;
    if (!info || !info->ranked || info->rank != rank || info->dims[dim] < 1 || info->dims[dim] > MAX_NUMBERS)
        return err_set(
            err, SIB_ERR_ARGUMENT,
            "%s: its call 'decoder' needs the port '%s' of rank %zu, with a size of axis %zu from 1 to %d",
            p->s->node->name, port, rank, dim, MAX_NUMBERS);
    *out = (size_t)info->dims[dim];
    return SIB_OK;
}

static sib_code read_sizes(uttering *p, sib_error *err)
{
    sib_code code = read_size(p, "kept", 3, 0, &p->layers, err);
    if (code == SIB_OK)
        code = read_size(p, "kept", 3, 2, &p->units, err);
    if (code == SIB_OK)
        code = read_size(p, "frame", 3, 2, &p->bins, err);
    if (code == SIB_OK)
        code = read_size(p, "speaker_embedding", 2, 1, &p->n_speaker, err);
    if (code == SIB_OK && (uint64_t)p->layers * p->units > MAX_NUMBERS)
        code = err_set(err, SIB_ERR_SIZE, "%s: %zu layers of %zu numbers are more than %d in a step",
                       p->s->node->name, p->layers, p->units, MAX_NUMBERS);
    return code;
}

/* ---- What is given -------------------------------------------------------------------------------------- */

static sib_code read_numbers(uttering *p, sib_error *err)
{
    const job_step *s = p->s;
    double seed;
    sib_code code = step_range(s, IN_SEED, 0, 0, 0x1p53, &seed, err);
    if (code == SIB_OK)
        code = step_count(s, IN_CONTEXT, 0, 1, MAX_FRAMES, &p->n_ctx, err);
    if (code == SIB_OK)
        code = step_range(s, IN_DROPOUT, 0.5, 0, 0.999, &p->dropout, err);
    if (code == SIB_OK)
        code = step_range(s, IN_THRESHOLD, 0.5, 0, 1e6, &p->threshold, err);
    if (code == SIB_OK)
        code = step_range(s, IN_MIN_RATIO, 0, 0, 1e6, &p->min_ratio, err);
    if (code == SIB_OK)
        code = step_range(s, IN_MAX_RATIO, 20, 0, 1e6, &p->max_ratio, err);
    if (code == SIB_OK && seed != floor(seed))
        code = err_set(err, SIB_ERR_ARGUMENT, "%s: seed is %g, expected an integer", s->node->name, seed);
    p->seed = code == SIB_OK ? (uint64_t)seed : 0;
    return code;
}

static sib_code read_tokens(uttering *p, sib_error *err)
{
    const job_step *s = p->s;
    const sib_port_value *tokens = &s->in[IN_TOKENS]->v;
    const double pad = step_number(s, IN_PAD, -1);
    size_t max;
    sib_code code = step_count(s, IN_TEXT_CONTEXT, 0, 1, 1 << 16, &max, err);
    if (code != SIB_OK)
        return code;
    p->n = tokens->tokens.n;
    if (!p->n || p->n > max)
        return err_set(err, SIB_ERR_VALUE, "%s: the text has %zu tokens, and the model can say from 1 to %zu",
                       s->node->name, p->n, max);
    for (size_t i = 0; i < p->n; i++)
        if ((double)tokens->tokens.ids[i] == pad)
            return err_set(err, SIB_ERR_VALUE, "%s: token %zu is the padding %g, which cannot be said",
                           s->node->name, i, pad);
    return SIB_OK;
}

static sib_code read_tensors(uttering *p, sib_error *err)
{
    const job_step *s = p->s;
    const sib_tensor *speaker = s->in[IN_SPEAKER]->v.tensor,
                     *kept = s->in[IN_KEPT] ? s->in[IN_KEPT]->v.tensor : NULL;
    const int64_t *dims = kept ? sib_tensor_dims(kept) : NULL;
    if ((uint64_t)sib_tensor_count(speaker) != p->n_speaker)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: speaker_embedding has %llu numbers, expected %zu",
                       s->node->name, (unsigned long long)sib_tensor_count(speaker), p->n_speaker);
    if (kept && (sib_tensor_dtype(kept) != SIB_F32 || !sib_tensor_is_dense(kept) ||
                 sib_tensor_rank(kept) != 3 || dims[1] != (int64_t)p->layers || dims[2] != (int64_t)p->units))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: kept is none of float32 [steps, %zu, %zu]", s->node->name,
                       p->layers, p->units);
    p->masks = kept ? sib_tensor_data(kept) : NULL;
    p->n_masks = kept ? (size_t)dims[0] : 0;
    p->kept = mem_alloc(p->layers * p->units, sizeof *p->kept);
    if (!p->kept)
        return err_memory(err, p->layers * p->units * sizeof *p->kept, "what a step keeps");
    return sib_tensor_convert(speaker, SIB_F32, SIB_OVERFLOW_IEEE, &p->speaker, err);
}

/* ---- Steps ---------------------------------------------------------------------------------------------- */

/* What is kept in a step, times what makes up for the rest. */
static sib_code fill_kept(const uttering *p, size_t step, sib_error *err)
{
    const size_t n = p->layers * p->units;
    const double scale = 1 / (1 - p->dropout);
    if (p->masks && step >= p->n_masks)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: kept has %zu steps, and the text takes more",
                       p->s->node->name, p->n_masks);
    for (size_t i = 0; i < n; i++)
        p->kept[i] = (float)(scale * (p->masks ? (double)p->masks[step * n + i]
                                               : whisper_draw(p->seed, step, i) >= p->dropout));
    return SIB_OK;
}

/* Makes the frames behind `frame` (bins), and the sum of their probabilities that speech ends. */
static sib_code make_frames(uttering *p, const float *frame, double *end, sib_error *err)
{
    static const char *const gives[] = {"frames", "end"};
    const int64_t before[] = {1, 1, (int64_t)p->bins}, speaker[] = {1, (int64_t)p->n_speaker},
                  kept[] = {(int64_t)p->layers, 1, (int64_t)p->units};
    const speech_port given[] = {{"frame", SIB_F32, 3, before, frame},
                                 {"kept", SIB_F32, 3, kept, p->kept},
                                 {"speaker_embedding", SIB_F32, 2, speaker, sib_tensor_data(p->speaker)}};
    sib_tensor *out[2];
    sib_code code = speech_call(p->s, CALL_DECODER, 3, given, 2, gives, out, err);
    if (code != SIB_OK)
        return code;
    const size_t n = (size_t)sib_tensor_count(out[0]);
    *end = (double)*(const float *)sib_tensor_data(out[1]);
    if (n % p->bins || n / p->bins > MAX_FRAMES || p->n_numbers / p->bins > MAX_FRAMES - n / p->bins)
        code = err_set(err, SIB_ERR_SIZE,
                       "%s: the model makes %zu numbers in a step: no frames of %zu, or more than %d",
                       p->s->node->name, n, p->bins, MAX_FRAMES);
    else if (!isfinite(*end))
        code = err_set(err, SIB_ERR_VALUE, "%s: the model's probabilities are not numbers", p->s->node->name);
    else
        code = ARRAY_RESERVE(p->frames, p->capacity, p->n_numbers + n, "frames", err);
    if (code == SIB_OK) {
        memcpy(p->frames + p->n_numbers, sib_tensor_data(out[0]), n * sizeof *p->frames);
        p->n_numbers += n;
    }
    for (size_t i = 0; i < 2; i++)
        sib_tensor_free(&out[i]);
    return code;
}

/* Steps until the probability, or the number of steps, says that speech ends. */
static sib_code make_all(uttering *p, sib_error *err)
{
    const float *zeros = mem_calloc(p->bins, sizeof *zeros);
    sib_code code = zeros ? SIB_OK : err_memory(err, p->bins * sizeof *zeros, "a frame");
    bool ended = false;
    for (size_t step = 0; code == SIB_OK && !ended; step++) {
        double end = 0;
        if (p->s->watch && cancel_is_set(p->s->watch->cancel))
            code = err_set(err, SIB_ERR_CANCELLED, "%s: it was cancelled", p->s->node->name);
        else if (step == p->n_ctx)
            code =
                err_set(err, SIB_ERR_VALUE,
                        "%s: the text takes more than the %zu steps that the model can make: say it in parts",
                        p->s->node->name, p->n_ctx);
        if (code == SIB_OK)
            code = fill_kept(p, step, err);
        if (code == SIB_OK)
            code = make_frames(p, step ? p->frames + p->n_numbers - p->bins : zeros, &end, err);
        if (code != SIB_OK)
            break;
        const double done = (double)(step + 1), each = (double)(p->n_numbers / p->bins) / done,
                     min = floor((double)p->n * p->min_ratio / each),
                     max = floor((double)p->n * p->max_ratio / each);
        ended = done >= min && (done >= max || end >= p->threshold);
    }
    mem_free((void *)zeros);
    return code;
}

/* ---- The node ------------------------------------------------------------------------------------------- */

static sib_code give(const uttering *p, job_step *s, sib_error *err)
{
    static const char *const gives[] = {"samples", "spectrogram"};
    const int64_t dims[] = {1, (int64_t)(p->n_numbers / p->bins), (int64_t)p->bins};
    const speech_port given = {"frames", SIB_F32, 3, dims, p->frames};
    sib_tensor *out[2] = {NULL, NULL};
    sib_value *value = NULL;
    sib_code code = speech_call(s, CALL_VOCODER, 1, &given, 2, gives, out, err);
    if (code == SIB_OK)
        code = speech_flatten(out[0], &value, err);
    if (code == SIB_OK)
        code = step_give(s, OUT_SAMPLES, job_value_tensor(value, SIB_PORT_AUDIO), err);
    value = NULL;
    if (code == SIB_OK)
        code = sib_value_from_tensor(out[1], &value, err);
    if (code == SIB_OK)
        code = step_give(s, OUT_SPECTROGRAM, job_value_tensor(value, SIB_PORT_TENSOR), err);
    for (size_t i = 0; i < 2; i++)
        sib_tensor_free(&out[i]);
    return code == SIB_OK ? step_give(s, OUT_RATE, job_value_number(step_number(s, IN_RATE, 0)), err) : code;
}

static sib_code utter_run(job_step *s, sib_error *err)
{
    static const char *const encoded[] = {"encoded"};
    uttering p = {.s = s};
    sib_code code = read_sizes(&p, err);
    if (code == SIB_OK)
        code = read_numbers(&p, err);
    if (code == SIB_OK)
        code = read_tokens(&p, err);
    if (code == SIB_OK)
        code = read_tensors(&p, err);
    if (code == SIB_OK) {
        const int64_t dims[] = {1, (int64_t)p.n};
        const speech_port given = {"tokens", SIB_I32, 2, dims, s->in[IN_TOKENS]->v.tokens.ids};
        code = speech_call(s, CALL_ENCODER, 1, &given, 1, encoded, NULL, err);
    }
    job_call_reset(s->calls[CALL_DECODER]);
    if (code == SIB_OK)
        code = make_all(&p, err);
    if (code == SIB_OK)
        code = give(&p, s, err);
    sib_tensor_free(&p.speaker);
    mem_free(p.kept);
    mem_free(p.frames);
    return code;
}

const job_op job_op_utter = {.name = "utter",
                             .meaning = "text to speech by frames that are made step by step",
                             .inputs = utter_inputs,
                             .n_inputs = sizeof utter_inputs / sizeof *utter_inputs,
                             .outputs = utter_outputs,
                             .n_outputs = sizeof utter_outputs / sizeof *utter_outputs,
                             .calls = utter_calls,
                             .n_calls = 3,
                             .n_needed = 3,
                             .run = utter_run};
