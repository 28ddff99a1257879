/* Text to speech by VITS' two parts (Kim et al. 2021): the first says what frames of each token are like and how many they are, the
   second makes samples of frames that are drawn here, by numbers that depend on a seed alone. */
#include "base/alloc.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/size.h"
#include "job/nodes/speech.h"
#include "job/whisper/search.h"

#include <math.h>

#define MAX_TOKENS (1 << 16)
#define MAX_FRAMES (1 << 20)

enum {
    IN_TOKENS,
    IN_RATE,
    IN_SEED,
    IN_SPEED,
    IN_NOISE_SCALE,
    IN_DURATION_SCALE,
    IN_NOISE,
    IN_DURATION_NOISE,
    IN_SPEAKER,
    IN_SPEAKERS
};
static const job_port speak_inputs[] = {
    {"tokens", SIB_PORT_TOKENS, true, "ids of what is said"},
    {"rate", SIB_PORT_NUMBER, true, "samples per second"},
    {"seed", SIB_PORT_NUMBER, false, "of the noise (0)"},
    {"speed", SIB_PORT_NUMBER, false, "2: twice as fast (1)"},
    {"noise_scale", SIB_PORT_NUMBER, false, "how much frames vary; 0: always the same (0.667)"},
    {"duration_noise_scale", SIB_PORT_NUMBER, false, "how much durations vary (0.8)"},
    {"noise", SIB_PORT_TENSOR, false, "float32 [channels, frames or more], in place of drawn numbers"},
    {"duration_noise", SIB_PORT_TENSOR, false, "float32 [2, tokens], likewise"},
    {"speaker", SIB_PORT_NUMBER, false, "number of the speaker (0)"},
    {"speakers", SIB_PORT_NUMBER, false, "how many the model has (1)"}};

enum { OUT_SAMPLES, OUT_RATE, OUT_DURATIONS };
static const job_port speak_outputs[] = {{"samples", SIB_PORT_AUDIO, false, "float32 [n], from -1 to 1"},
                                         {"sample_rate", SIB_PORT_NUMBER, false, "as it was given"},
                                         {"durations", SIB_PORT_NUMBERS, false, "frames of each token"}};

enum { CALL_ENCODER, CALL_DECODER };
static const char *const speak_calls[] = {"encoder", "decoder"};

/* What the first part says of n tokens: rows of `channels`. */
enum { MEANS, VARIANCES, DURATIONS, N_SAID };
typedef struct speaking {
    const job_step *s;
    uint64_t seed;
    int64_t speaker;
    double noise_scale, duration_scale;
    sib_tensor *said[N_SAID];
    size_t n, channels, frames;
    double *durations; /* (n) frames of each token */
} speaking;

/* ---- Noise ---------------------------------------------------------------------------------------------- */

/* Number i of a normal distribution (Box & Muller 1958). stream: 0 for durations, 1 for frames. */
static double drawn(const speaking *p, uint64_t stream, uint64_t i)
{
    const double a = whisper_draw(p->seed, stream, 2 * i), b = whisper_draw(p->seed, stream, 2 * i + 1);
    return sqrt(-2 * log1p(-a)) * cos(6.283185307179586 * b);
}

/* Fills out [rows, columns] with the noise of a port, of which columns may be left over, or with drawn numbers, times scale. */
static sib_code fill_noise(const speaking *p, size_t port, uint64_t stream, double scale, size_t rows,
                           size_t columns, float *out, sib_error *err)
{
    const sib_tensor *t = p->s->in[port] ? p->s->in[port]->v.tensor : NULL;
    const size_t rank = t ? sib_tensor_rank(t) : 0, given = rank ? (size_t)sib_tensor_dims(t)[rank - 1] : 0;
    if (t && (sib_tensor_dtype(t) != SIB_F32 || !sib_tensor_is_dense(t) || given < columns ||
              (uint64_t)sib_tensor_count(t) != (uint64_t)rows * given))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: %s is none of float32 [%zu, %zu or more]",
                       p->s->node->name, p->s->node->inputs[port].name, rows, columns);
    const float *data = t ? sib_tensor_data(t) : NULL;
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < columns; k++)
            out[i * columns + k] =
                (float)((data ? data[i * given + k] : drawn(p, stream, i * columns + k)) * scale);
    return SIB_OK;
}

/* ---- Parts ---------------------------------------------------------------------------------------------- */

/* A call with `given` (n, room for another), and the speaker where the model has several. */
static sib_code call_part(const speaking *p, size_t call, size_t n, speech_port *given, size_t n_out,
                          const char *const *gives, sib_tensor **out, sib_error *err)
{
    static const int64_t one = 1;
    if (speech_call_takes(p->s, call, "speaker"))
        given[n++] = (speech_port){"speaker", SIB_I64, 1, &one, &p->speaker};
    return speech_call(p->s, call, n, given, n_out, gives, out, err);
}

/* Reads the tokens. */
static sib_code read_tokens(speaking *p, const int32_t *ids, sib_error *err)
{
    static const char *const gives[] = {"means", "log_variances", "durations"};
    const int64_t dims[] = {1, (int64_t)p->n}, noisy[] = {1, 2, (int64_t)p->n};
    speech_port given[3] = {{"tokens", SIB_I32, 2, dims, ids}};
    float *noise = NULL;
    size_t n = 1;
    sib_code code = SIB_OK;
    if (speech_call_takes(p->s, CALL_ENCODER, "duration_noise")) {
        noise = mem_alloc(2 * p->n, sizeof *noise);
        code = noise ? fill_noise(p, IN_DURATION_NOISE, 0, p->duration_scale, 2, p->n, noise, err)
                     : err_memory(err, 2 * p->n * sizeof *noise, "noise");
        given[n++] = (speech_port){"duration_noise", SIB_F32, 3, noisy, noise};
    }
    if (code == SIB_OK)
        code = call_part(p, CALL_ENCODER, n, given, N_SAID, gives, p->said, err);
    mem_free(noise);
    if (code != SIB_OK)
        return code;
    p->channels = (size_t)sib_tensor_count(p->said[MEANS]) / p->n;
    for (size_t i = 0; i < N_SAID; i++)
        if ((size_t)sib_tensor_count(p->said[i]) != p->n * (i == DURATIONS ? 1 : p->channels))
            return err_set(err, SIB_ERR_ARGUMENT,
                           "%s: the model's %s have not one row for each of %zu tokens", p->s->node->name,
                           gives[i], p->n);
    return SIB_OK;
}

/* Rounds the durations at a speed up to frames, and counts these. */
static sib_code count_frames(speaking *p, double speed, sib_error *err)
{
    const float *said = sib_tensor_data(p->said[DURATIONS]), slower = (float)(1 / speed);
    double sum = 0;
    for (size_t i = 0; i < p->n; i++)
        sum += p->durations[i] = ceil((double)(said[i] * slower));
    if (!(sum >= 1 && sum <= MAX_FRAMES))
        return err_set(err, SIB_ERR_VALUE,
                       "%s: the model takes %g frames for the text, expected from 1 to %d", p->s->node->name,
                       sum, MAX_FRAMES);
    p->frames = (size_t)sum;
    return SIB_OK;
}

/* Frames [channels, frames]: each token's mean, as often as it lasts, plus noise by its variance. out: of noise at first. */
static void add_means(const speaking *p, float *out)
{
    const float *means = sib_tensor_data(p->said[MEANS]), *variances = sib_tensor_data(p->said[VARIANCES]);
    for (size_t c = 0; c < p->channels; c++)
        for (size_t i = 0, at = c * p->frames; i < p->n; i++) {
            const float mean = means[i * p->channels + c], by = expf(variances[i * p->channels + c]);
            for (const size_t end = at + (size_t)p->durations[i]; at < end; at++)
                out[at] = mean + out[at] * by;
        }
}

/* Draws the frames and gives their samples. */
static sib_code say_frames(speaking *p, job_step *s, sib_error *err)
{
    static const char *const gives[] = {"samples"};
    const int64_t dims[] = {1, (int64_t)p->channels, (int64_t)p->frames};
    sib_tensor *samples = NULL;
    sib_value *flat = NULL;
    size_t count;
    float *latents = size_mul(p->channels, p->frames, &count) ? mem_alloc(count, sizeof *latents) : NULL;
    sib_code code = latents ? fill_noise(p, IN_NOISE, 1, p->noise_scale, p->channels, p->frames, latents, err)
                            : err_memory(err, p->frames * sizeof *latents, "frames");
    if (code == SIB_OK) {
        speech_port given[2] = {{"latents", SIB_F32, 3, dims, latents}};
        add_means(p, latents);
        code = call_part(p, CALL_DECODER, 1, given, 1, gives, &samples, err);
    }
    mem_free(latents);
    code = code == SIB_OK ? speech_flatten(samples, &flat, err) : code;
    sib_tensor_free(&samples);
    return code == SIB_OK ? step_give(s, OUT_SAMPLES, job_value_tensor(flat, SIB_PORT_AUDIO), err) : code;
}

/* ---- The node ------------------------------------------------------------------------------------------- */

static sib_code read_options(speaking *p, double *speed, sib_error *err)
{
    double seed;
    size_t speakers, speaker;
    sib_code code = step_range(p->s, IN_SEED, 0, 0, 0x1p53, &seed, err);
    if (code == SIB_OK)
        code = step_count(p->s, IN_SPEAKERS, 1, 1, 1 << 20, &speakers, err);
    if (code == SIB_OK)
        code = step_count(p->s, IN_SPEAKER, 0, 0, speakers - 1, &speaker, err);
    if (code == SIB_OK)
        code = step_range(p->s, IN_SPEED, 1, 0.01, 100, speed, err);
    if (code == SIB_OK)
        code = step_range(p->s, IN_NOISE_SCALE, 0.667, 0, 100, &p->noise_scale, err);
    if (code == SIB_OK)
        code = step_range(p->s, IN_DURATION_SCALE, 0.8, 0, 100, &p->duration_scale, err);
    if (code == SIB_OK && seed != floor(seed))
        code = err_set(err, SIB_ERR_ARGUMENT, "%s: seed is %g, expected an integer", p->s->node->name, seed);
    if (code != SIB_OK)
        return code;
    p->seed = (uint64_t)seed;
    p->speaker = (int64_t)speaker;
    return SIB_OK;
}

static sib_code speak_run(job_step *s, sib_error *err)
{
    const sib_port_value *tokens = &s->in[IN_TOKENS]->v;
    speaking p = {.s = s, .n = tokens->tokens.n};
    double speed = 1;
    if (!p.n || p.n > MAX_TOKENS)
        return err_set(err, SIB_ERR_VALUE, "%s: %zu tokens are given, expected from 1 to %d", s->node->name,
                       p.n, MAX_TOKENS);
    p.durations = mem_alloc(p.n, sizeof *p.durations);
    sib_code code =
        p.durations ? read_options(&p, &speed, err) : err_memory(err, p.n * sizeof *p.durations, "durations");
    if (code == SIB_OK)
        code = read_tokens(&p, tokens->tokens.ids, err);
    if (code == SIB_OK)
        code = count_frames(&p, speed, err);
    if (code == SIB_OK && s->watch && cancel_is_set(s->watch->cancel))
        code = err_set(err, SIB_ERR_CANCELLED, "%s: it was cancelled", s->node->name);
    if (code == SIB_OK)
        code = say_frames(&p, s, err);
    if (code == SIB_OK)
        code = step_give(s, OUT_RATE, job_value_number(step_number(s, IN_RATE, 0)), err);
    if (code == SIB_OK)
        code = step_give(s, OUT_DURATIONS, job_value_numbers(p.durations, p.n), err);
    for (size_t i = 0; i < N_SAID; i++)
        sib_tensor_free(&p.said[i]);
    mem_free(p.durations);
    return code;
}

const job_op job_op_speak = {.name = "speak",
                             .meaning =
                                 "text to speech by a model of two parts, between which frames are drawn",
                             .inputs = speak_inputs,
                             .n_inputs = sizeof speak_inputs / sizeof *speak_inputs,
                             .outputs = speak_outputs,
                             .n_outputs = sizeof speak_outputs / sizeof *speak_outputs,
                             .calls = speak_calls,
                             .n_calls = 2,
                             .n_needed = 2,
                             .run = speak_run};
