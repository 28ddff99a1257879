/* Text to speech by a model in one part, which draws its noise itself, as Piper exports its voices. */
#include "base/error.h"
#include "job/nodes/speech.h"

#define MAX_TOKENS (1 << 16)

enum { IN_TOKENS, IN_RATE, IN_SPEED, IN_NOISE_SCALE, IN_DURATION_SCALE, IN_SPEAKER, IN_SPEAKERS };
static const job_port say_inputs[] = {
    {"tokens", SIB_PORT_TOKENS, true, "ids of what is said"},
    {"rate", SIB_PORT_NUMBER, true, "samples per second"},
    {"speed", SIB_PORT_NUMBER, false, "2: twice as fast (1)"},
    {"noise_scale", SIB_PORT_NUMBER, false, "how much frames vary; 0: not at all (0.667)"},
    {"duration_noise_scale", SIB_PORT_NUMBER, false, "how much durations vary (0.8)"},
    {"speaker", SIB_PORT_NUMBER, false, "number of the speaker (0)"},
    {"speakers", SIB_PORT_NUMBER, false, "how many the model has (1)"}};

enum { OUT_SAMPLES, OUT_RATE };
static const job_port say_outputs[] = {{"samples", SIB_PORT_AUDIO, false, "float32 [n], from -1 to 1"},
                                       {"sample_rate", SIB_PORT_NUMBER, false, "as it was given"}};
static const char *const say_calls[] = {"model"};

typedef struct wishes {
    double speed, noise_scale, duration_scale;
    size_t speaker;
} wishes;

static sib_code read_wishes(const job_step *s, wishes *w, sib_error *err)
{
    size_t speakers;
    sib_code code = step_count(s, IN_SPEAKERS, 1, 1, 1 << 20, &speakers, err);
    if (code == SIB_OK)
        code = step_count(s, IN_SPEAKER, 0, 0, speakers - 1, &w->speaker, err);
    if (code == SIB_OK)
        code = step_range(s, IN_SPEED, 1, 0.01, 100, &w->speed, err);
    if (code == SIB_OK)
        code = step_range(s, IN_NOISE_SCALE, 0.667, 0, 100, &w->noise_scale, err);
    if (code == SIB_OK)
        code = step_range(s, IN_DURATION_SCALE, 0.8, 0, 100, &w->duration_scale, err);
    return code;
}

static sib_code say_run(job_step *s, sib_error *err)
{
    static const char *const gives[] = {"samples"};
    static const int64_t one = 1, three = 3;
    const sib_port_value *tokens = &s->in[IN_TOKENS]->v;
    wishes w;
    if (!tokens->tokens.n || tokens->tokens.n > MAX_TOKENS)
        return err_set(err, SIB_ERR_VALUE, "%s: %zu tokens are given, expected from 1 to %d", s->node->name,
                       tokens->tokens.n, MAX_TOKENS);
    sib_code code = read_wishes(s, &w, err);
    if (code != SIB_OK)
        return code;
    const int64_t length = (int64_t)tokens->tokens.n, dims[] = {1, length}, speaker = (int64_t)w.speaker;
    const float scales[] = {(float)w.noise_scale, (float)(1 / w.speed), (float)w.duration_scale};
    const speech_port given[] = {{"tokens", SIB_I32, 2, dims, tokens->tokens.ids},
                                 {"length", SIB_I64, 1, &one, &length},
                                 {"scales", SIB_F32, 1, &three, scales},
                                 {"speaker", SIB_I64, 1, &one, &speaker}};
    sib_tensor *samples = NULL;
    sib_value *flat = NULL;
    code = speech_call(s, 0, speech_call_takes(s, 0, "speaker") ? 4 : 3, given, 1, gives, &samples, err);
    if (code == SIB_OK)
        code = speech_flatten(samples, &flat, err);
    sib_tensor_free(&samples);
    if (code == SIB_OK)
        code = step_give(s, OUT_SAMPLES, job_value_tensor(flat, SIB_PORT_AUDIO), err);
    return code == SIB_OK ? step_give(s, OUT_RATE, job_value_number(step_number(s, IN_RATE, 0)), err) : code;
}

const job_op job_op_say = {.name = "say",
                           .meaning = "text to speech by a model in one part, which draws its noise itself",
                           .inputs = say_inputs,
                           .n_inputs = sizeof say_inputs / sizeof *say_inputs,
                           .outputs = say_outputs,
                           .n_outputs = sizeof say_outputs / sizeof *say_outputs,
                           .calls = say_calls,
                           .n_calls = 1,
                           .n_needed = 1,
                           .run = say_run};
