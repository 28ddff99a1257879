#include "live/voice_model.h"

#include "base/alloc.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

#define CONTEXT 64   /* samples before a window that the model also hears */
#define FALL    0.15 /* speech ends below the threshold by this, as in Silero's procedure */
#define STATE                                                                                                \
    {                                                                                                        \
        2, 1, 128                                                                                            \
    }

struct voice_model {
    sib_session *session;
    double threshold;
    bool speaking, has_rate;
    sib_value *state, *rate; /* rate: of the samples, where the model asks for it */
    float heard[CONTEXT + VOICE_WINDOW];
};

static bool has(bool (*border)(const sib_model *m, size_t i, sib_value_info *out), const sib_model *m,
                const char *name)
{
    sib_value_info info;
    for (size_t i = 0; border(m, i, &info); i++)
        if (!strcmp(info.name, name))
            return true;
    return false;
}

/* A session of the job whose model has Silero's border. */
static sib_session *find_session(const sib_job *job)
{
    sib_session *s;
    for (size_t i = 0; (s = sib_job_session(job, i, NULL)); i++) {
        const sib_model *m = sib_session_model(s);
        if (has(sib_model_input, m, "input") && has(sib_model_input, m, "state") &&
            has(sib_model_output, m, "output") && has(sib_model_output, m, "stateN"))
            return s;
    }
    return NULL;
}

/* A tensor of zeros, or of one number. */
static sib_code make_value(sib_dtype dtype, size_t rank, const int64_t *dims, int64_t number, sib_value **out,
                           sib_error *err)
{
    sib_tensor *t;
    sib_code code = sib_tensor_create(dtype, rank, dims, &t, err);
    if (code != SIB_OK)
        return code;
    if (dtype == SIB_I64)
        *(int64_t *)sib_tensor_data(t) = number;
    code = sib_value_from_tensor(t, out, err);
    sib_tensor_free(&t);
    return code;
}

sib_code voice_model_create(const sib_job *job, double threshold, voice_model **out, sib_error *err)
{
    sib_job_info info;
    sib_job_get_info(job, &info);
    *out = NULL;
    sib_session *session = find_session(job);
    if (!session || info.sample_rate != 16000)
        return err_set(err, SIB_ERR_ARGUMENT, "the job '%s' is not one of a model of Silero's for 16 kHz",
                       info.name ? info.name : "");
    voice_model *v = mem_calloc(1, sizeof *v);
    if (!v)
        return err_memory(err, sizeof *v, "a model of voice activity");
    v->session = session;
    v->threshold = threshold;
    v->has_rate = has(sib_model_input, sib_session_model(session), "sr");
    sib_code code = make_value(SIB_F32, 3, (const int64_t[])STATE, 0, &v->state, err);
    if (code == SIB_OK && v->has_rate)
        code = make_value(SIB_I64, 0, NULL, 16000, &v->rate, err);
    if (code == SIB_OK)
        *out = v;
    else
        voice_model_free(&v);
    return code;
}

void voice_model_free(voice_model **v)
{
    if (!v || !*v)
        return;
    sib_value_free(&(*v)->state);
    sib_value_free(&(*v)->rate);
    mem_free(*v);
    *v = NULL;
}

/* The probability that somebody speaks, and the state behind it. */
static sib_code ask(voice_model *v, const sib_cancel *cancel, double *probability, sib_error *err)
{
    static const char *const outputs[] = {"output", "stateN"};
    const int64_t dims[2] = {1, CONTEXT + VOICE_WINDOW};
    const sib_run_options o = {.cancel = cancel};
    sib_value *window = NULL, *made[2] = {NULL, NULL};
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_wrap(SIB_F32, 2, dims, NULL, v->heard, NULL, NULL, &t, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(t, &window, err);
    const sib_named_value in[3] = {{"input", window}, {"state", v->state}, {"sr", v->rate}};
    if (code == SIB_OK)
        code = sib_session_run(v->session, v->has_rate ? 3 : 2, in, 2, outputs, made, &o, err);
    const sib_tensor *answer = code == SIB_OK ? sib_value_tensor(made[0]) : NULL;
    if (code == SIB_OK && (!answer || sib_tensor_count(answer) != 1))
        code = err_set(err, SIB_ERR_VALUE, "the model of voice activity gives no probability");
    if (code == SIB_OK)
        code = sib_convert(sib_tensor_dtype(answer), sib_tensor_data(answer), SIB_F64, probability, 1,
                           SIB_OVERFLOW_IEEE, err);
    if (code == SIB_OK) {
        sib_value_free(&v->state);
        v->state = made[1];
        made[1] = NULL;
    }
    for (size_t i = 0; i < 2; i++)
        sib_value_free(&made[i]);
    sib_value_free(&window);
    sib_tensor_free(&t);
    return code;
}

sib_code voice_model_window(voice_model *v, const float *samples, const sib_cancel *cancel, bool *speech,
                            sib_error *err)
{
    double probability = 0;
    memcpy(v->heard, v->heard + VOICE_WINDOW, CONTEXT * sizeof *v->heard);
    memcpy(v->heard + CONTEXT, samples, VOICE_WINDOW * sizeof *v->heard);
    sib_code code = ask(v, cancel, &probability, err);
    if (code == SIB_OK)
        v->speaking = probability >= (v->speaking ? fmax(v->threshold - FALL, 0.01) : v->threshold);
    *speech = v->speaking;
    return code;
}
