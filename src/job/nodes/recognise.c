/* Speech to text by an encoder of samples and a decoder of tokens, greedily, in chunks that end where the recording is quiet. */
#include "base/alloc.h"
#include "base/buffer.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/size.h"
#include "job/nodes/speech.h"
#include "job/whisper/letters.h"
#include "text/vocab/token_ids.h"

#include <math.h>

enum { CALL_ENCODER, CALL_DECODER };
enum {
    IN_AUDIO,
    IN_FIRST,
    IN_STOP,
    IN_CONTEXT,
    IN_MIN,
    IN_RATE,
    IN_CHUNK,
    IN_PER_SECOND,
    IN_CLIPS,
    IN_LANGUAGE
};
static const job_port recognise_inputs[] = {
    {"audio", SIB_PORT_AUDIO, true, "samples [n]"},
    {"target_tokens", SIB_PORT_TOKENS, true, "tokens that texts begin with, and that are not shown"},
    {"stop_tokens", SIB_PORT_TOKENS, false, "tokens that end the text of a chunk (none)"},
    {"n_text_ctx", SIB_PORT_NUMBER, true, "max tokens of the decoder's context"},
    {"min_samples", SIB_PORT_NUMBER, false, "samples of one frame: fewer are not heard (1)"},
    {"rate", SIB_PORT_NUMBER, false, "samples per second (16000)"},
    {"chunk_length_s", SIB_PORT_NUMBER, false, "seconds that the model is given at once; 0: all (30)"},
    {"tokens_per_s", SIB_PORT_NUMBER, false, "max tokens for each second of a chunk; 0: no limit (6.5)"},
    {"clip_timestamps", SIB_PORT_NUMBERS, false,
     "start, end, start, ... of what is transcribed, seconds (all)"},
    {"language", SIB_PORT_TEXT, false, "what is spoken, for the output of this name (not known)"}};
static const char *const recognise_calls[] = {"encoder", "decoder"};

typedef struct recogniser {
    const job_step *s;
    const float *samples;        /* (n) */
    size_t n, min, chunk, n_ctx; /* chunk: samples; 0: all */
    double rate, per_second;
    byte_buffer text;
    whisper_segments segments;
} recogniser;

/* The text of one chunk. */
typedef struct spoken {
    token_ids tokens;
    double *logprobs; /* (tokens.n) */
    size_t n, capacity;
    double sum; /* of log probabilities */
} spoken;

/* ---- Options -------------------------------------------------------------------------------------------- */

static sib_code read_options(const job_step *s, recogniser *r, sib_error *err)
{
    size_t rate;
    const double seconds = step_number(s, IN_CHUNK, 30);
    r->per_second = step_number(s, IN_PER_SECOND, 6.5);
    sib_code code = step_count(s, IN_CONTEXT, 0, 1, 1 << 20, &r->n_ctx, err);
    if (code == SIB_OK)
        code = step_count(s, IN_MIN, 1, 1, 1 << 24, &r->min, err);
    if (code == SIB_OK)
        code = step_count(s, IN_RATE, 16000, 1, 1 << 24, &rate, err);
    if (code != SIB_OK)
        return code;
    r->rate = (double)rate;
    if (!(seconds >= 0 && seconds <= 1e6) || !(r->per_second >= 0 && r->per_second <= 1e6))
        return err_set(err, SIB_ERR_ARGUMENT,
                       "%s: chunk_length_s is %g and tokens_per_s %g, expected from 0 to 1e6", s->node->name,
                       seconds, r->per_second);
    r->chunk = (size_t)rint(seconds * r->rate);
    if (seconds > 0 && r->chunk < 2 * r->min)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: chunks of %g s are too short: a frame has %zu samples",
                       s->node->name, seconds, r->min);
    const sib_port_value *first = &s->in[IN_FIRST]->v;
    if (!first->tokens.n || first->tokens.n >= r->n_ctx)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: there are %zu target_tokens, expected 1 to %zu",
                       s->node->name, first->tokens.n, r->n_ctx - 1);
    return SIB_OK;
}

/* ---- One chunk ------------------------------------------------------------------------------------------ */

static bool is_stop(const job_step *s, int32_t id)
{
    const sib_port_value *stop = s->in[IN_STOP] ? &s->in[IN_STOP]->v : NULL;
    for (size_t i = 0; stop && i < stop->tokens.n; i++)
        if (stop->tokens.ids[i] == id)
            return true;
    return false;
}

/* The likeliest token behind those that are fed, ids (n), and the logarithm of its probability. */
static sib_code next_token(const job_step *s, const int32_t *ids, size_t n, int32_t *id, double *logprob,
                           sib_error *err)
{
    static const char *const gives[] = {"logits"};
    const int64_t dims[] = {1, (int64_t)n};
    const speech_port given = {"tokens", SIB_I32, 2, dims, ids};
    sib_tensor *logits = NULL;
    sib_code code = speech_call(s, CALL_DECODER, 1, &given, 1, gives, &logits, err);
    if (code != SIB_OK)
        return code;
    const size_t n_vocab = (size_t)sib_tensor_dims(logits)[sib_tensor_rank(logits) - 1];
    const float *row = (const float *)sib_tensor_data(logits) + sib_tensor_count(logits) - n_vocab;
    size_t best = 0;
    double sum = 0;
    for (size_t i = 1; i < n_vocab; i++)
        best = row[i] > row[best] ? i : best;
    for (size_t i = 0; i < n_vocab; i++)
        sum += exp((double)row[i] - row[best]);
    if (!isfinite(row[best]) || !(sum >= 1))
        code = err_set(err, SIB_ERR_VALUE, "%s: the model's logits are not numbers", s->node->name);
    sib_tensor_free(&logits);
    *id = (int32_t)best;
    *logprob = -log(sum);
    return code;
}

/* Decodes samples (n), up to a token that ends the text. */
static sib_code decode(const recogniser *r, const float *samples, size_t n, spoken *out, sib_error *err)
{
    static const char *const encoded[] = {"encoded"};
    const job_step *s = r->s;
    const sib_port_value *first = &s->in[IN_FIRST]->v;
    const int64_t dims[] = {1, (int64_t)n};
    const int32_t *fed = first->tokens.ids;
    size_t n_fed = first->tokens.n, room = r->n_ctx - n_fed;
    const double limit = r->per_second * (double)n / r->rate;
    if (r->per_second > 0 && limit < (double)room)
        room = (size_t)limit;
    const speech_port given = {"samples", SIB_F32, 2, dims, samples};
    sib_code code = speech_call(s, CALL_ENCODER, 1, &given, 1, encoded, NULL, err);
    job_call_reset(s->calls[CALL_DECODER]);
    while (out->tokens.n < room && code == SIB_OK) {
        int32_t id;
        double logprob;
        if (s->watch && cancel_is_set(s->watch->cancel))
            return err_set(err, SIB_ERR_CANCELLED, "%s: the transcription was cancelled", s->node->name);
        code = next_token(s, fed, n_fed, &id, &logprob, err);
        if (code != SIB_OK || is_stop(s, id))
            break;
        code = ids_add(&out->tokens, id, err);
        if (code == SIB_OK)
            code = ARRAY_PUSH(out->logprobs, out->n, out->capacity, "log probabilities", err, logprob);
        out->sum += logprob;
        fed = code == SIB_OK ? &out->tokens.ids[out->tokens.n - 1] : NULL;
        n_fed = 1;
    }
    return code;
}

/* Adds the segment of a chunk from sample `from` to `to`, with a blank before its text where others are before it. */
static sib_code add_segment(recogniser *r, spoken *said, size_t from, size_t to, sib_error *err)
{
    const size_t before = r->text.n, id = r->segments.n;
    char *decoded = NULL;
    size_t size = 0;
    byte_buffer text = {0};
    sib_code code =
        sib_tokenizer_decode(r->s->tokenizer, said->tokens.ids, said->tokens.n, true, &decoded, &size, err);
    const sib_str words = whisper_trim((sib_str){decoded ? decoded : "", size});
    if (code == SIB_OK && words.length) {
        buf_add_text(&text, before ? " " : "", err);
        code = whisper_repair(words, true, &text, NULL, err);
        if (code == SIB_OK)
            code = buf_add_str(&r->text, buf_str(&text), err);
        if (code == SIB_OK)
            code = ARRAY_PUSH(r->segments.data, r->segments.n, r->segments.capacity, "segments", err,
                              (sib_segment){.id = id,
                                            .seek = (uint64_t)((double)from / r->rate * 100),
                                            .start = (double)from / r->rate,
                                            .end = (double)to / r->rate,
                                            .text = text.data,
                                            .n_tokens = said->tokens.n,
                                            .tokens = said->tokens.ids,
                                            .avg_logprob = said->sum / (double)said->tokens.n,
                                            .compression_ratio = NAN,
                                            .no_speech_prob = NAN,
                                            .logprobs = said->logprobs});
        if (code == SIB_OK) {
            *said = (spoken){0};
            code = speech_pass(r->s->watch, &r->segments.data[id], buf_str(&text), err);
        } else
            buf_free(&text);
    }
    sib_free(decoded);
    return code;
}

/* ---- Chunks --------------------------------------------------------------------------------------------- */

/* Samples [from, to) of the recording. */
static sib_code do_clip(void *self, size_t from, size_t to, sib_error *err)
{
    recogniser *r = self;
    const job_watch *w = r->s->watch;
    sib_code code = SIB_OK;
    while (code == SIB_OK && from < to && to - from >= r->min) {
        const float *samples = r->samples + from;
        const size_t n =
            r->chunk && to - from > r->chunk ? speech_quiet_place(samples, r->chunk, r->rate) : to - from;
        spoken said = {0};
        code = decode(r, samples, n, &said, err);
        if (code == SIB_OK)
            code = add_segment(r, &said, from, from + n, err);
        ids_free(&said.tokens);
        mem_free(said.logprobs);
        from += n;
        if (code == SIB_OK && w && w->progress)
            code = w->progress(w->context, (double)from / r->rate, (double)r->n / r->rate, err);
    }
    return code;
}

static sib_code recognise_run(job_step *s, sib_error *err)
{
    recogniser r = {.s = s};
    sib_code code = step_samples(s, IN_AUDIO, &r.samples, &r.n, err);
    if (code == SIB_OK)
        code = read_options(s, &r, err);
    if (code == SIB_OK)
        code = speech_clips(s, IN_CLIPS, r.rate, r.n, do_clip, &r, err);
    if (code == SIB_OK)
        code = speech_give(s, buf_str(&r.text), &r.segments, IN_LANGUAGE, err);
    buf_free(&r.text);
    whisper_segments_cut(&r.segments, 0);
    return code;
}

const job_op job_op_recognise = {.name = "recognise",
                                 .meaning = "speech to text by an encoder of samples and a decoder of tokens",
                                 .inputs = recognise_inputs,
                                 .n_inputs = sizeof recognise_inputs / sizeof *recognise_inputs,
                                 .outputs = speech_outputs,
                                 .n_outputs = SPEECH_OUTPUTS,
                                 .calls = recognise_calls,
                                 .n_calls = 2,
                                 .n_needed = 2,
                                 .tokenizer = true,
                                 .run = recognise_run};
