#include "job/nodes/speech.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "job/whisper/letters.h"

#include <math.h>
#include <string.h>

const job_port speech_outputs[SPEECH_OUTPUTS] = {{"text", SIB_PORT_TEXT, false, "all of it"},
                                                 {"segments", SIB_PORT_SEGMENTS, false, "with times"},
                                                 {"language", SIB_PORT_TEXT, false, "as it was given"}};

/* ---- Calls ---------------------------------------------------------------------------------------------- */

/* The tensor of an output, as float32. */
static sib_code convert(const job_step *s, const sib_value *v, const char *name, sib_tensor **out,
                        sib_error *err)
{
    const sib_tensor *t = v ? sib_value_tensor(v) : NULL;
    if (!t || !sib_tensor_rank(t) || !sib_tensor_count(t))
        return err_set(err, SIB_ERR_ARGUMENT, "%s: its call gives no elements of '%s'", s->node->name, name);
    return sib_tensor_convert(t, SIB_F32, SIB_OVERFLOW_IEEE, out, err);
}

bool speech_call_takes(const job_step *s, size_t call, const char *port)
{
    return call_plan_input_named(job_call_plan(s->calls[call]), port) != NO_INDEX;
}

/* Fails where the call lacks a port. */
static sib_code check_ports(const job_step *s, size_t call, size_t n, const speech_port *given, size_t n_out,
                            const char *const *gives, sib_error *err)
{
    const call_plan *p = job_call_plan(s->calls[call]);
    const char *missing = NULL;
    for (size_t i = 0; i < n; i++)
        missing = speech_call_takes(s, call, given[i].name) ? missing : given[i].name;
    for (size_t i = 0; i < n_out; i++)
        missing = call_plan_output_named(p, gives[i]) == NO_INDEX ? gives[i] : missing;
    return !missing ? SIB_OK
                    : err_set(err, SIB_ERR_ARGUMENT, "%s: its call '%s' needs the port '%s'", s->node->name,
                              s->node->op->calls[call], missing);
}

/* The call, with in for its inputs and made for its outputs, both NULL in the beginning. */
static sib_code call_with(const job_step *s, size_t call, size_t n, const speech_port *given, job_value **in,
                          sib_value **made, sib_error *err)
{
    const call_plan *p = job_call_plan(s->calls[call]);
    for (size_t i = 0; i < n; i++) {
        const speech_port *g = &given[i];
        job_value **at = &in[call_plan_input_named(p, g->name)];
        if (!*at && !(*at = job_value_over(g->dtype, g->rank, g->dims, g->data)))
            return err_memory(err, sizeof **at, "ports of a call");
    }
    return job_call_run(s->calls[call], in, made, err);
}

sib_code speech_call(const job_step *s, size_t call, size_t n, const speech_port *given, size_t n_out,
                     const char *const *gives, sib_tensor **out, sib_error *err)
{
    const call_plan *p = job_call_plan(s->calls[call]);
    size_t inputs = 0, outputs = 0;
    for (size_t i = 0; out && i < n_out; i++)
        out[i] = NULL;
    sib_code code = check_ports(s, call, n, given, n_out, gives, err);
    if (code != SIB_OK)
        return code;
    while (call_plan_input(p, inputs))
        inputs++;
    while (call_plan_output(p, outputs))
        outputs++;
    job_value **in = mem_calloc(inputs + 1, sizeof *in);
    sib_value **made = mem_calloc(outputs + 1, sizeof *made);
    code = in && made ? call_with(s, call, n, given, in, made, err)
                      : err_memory(err, inputs * sizeof *in, "ports of a call");
    for (size_t i = 0; i < n_out && out && code == SIB_OK; i++)
        code = convert(s, made[call_plan_output_named(p, gives[i])], gives[i], &out[i], err);
    for (size_t i = 0; made && i < outputs; i++)
        sib_value_free(&made[i]);
    for (size_t i = 0; in && i < inputs; i++)
        job_value_release(in[i]);
    for (size_t i = 0; i < n_out && out && code != SIB_OK; i++)
        sib_tensor_free(&out[i]);
    mem_free(made);
    mem_free(in);
    return code;
}

sib_code speech_flatten(const sib_tensor *samples, sib_value **out, sib_error *err)
{
    sib_tensor *flat = NULL;
    const int64_t n = (int64_t)sib_tensor_count(samples);
    sib_code code = sib_tensor_reshape(samples, 1, &n, &flat, err);
    if (code == SIB_OK)
        code = sib_value_from_tensor(flat, out, err);
    sib_tensor_free(&flat);
    return code;
}

/* ---- Clips ---------------------------------------------------------------------------------------------- */

sib_code speech_clips(const job_step *s, size_t port, double rate, size_t n,
                      sib_code (*each)(void *self, size_t from, size_t to, sib_error *err), void *self,
                      sib_error *err)
{
    const double *clips;
    size_t n_clips;
    step_numbers(s, port, &clips, &n_clips);
    sib_code code = n_clips ? SIB_OK : each(self, 0, n, err);
    for (size_t i = 0; i < n_clips; i++)
        if (!(clips[i] >= 0 && clips[i] < 1e9))
            return err_set(err, SIB_ERR_ARGUMENT, "%s: clip_timestamps: %g s is out of range for a recording",
                           s->node->name, clips[i]);
    for (size_t i = 0; i < n_clips && code == SIB_OK; i += 2) {
        const size_t from = size_min(n, (size_t)rint(clips[i] * rate)),
                     to = i + 1 < n_clips ? size_min(n, (size_t)rint(clips[i + 1] * rate)) : n;
        code = each(self, from, to, err);
    }
    return code;
}

size_t speech_quiet_place(const float *samples, size_t n, double rate)
{
    const size_t width = size_max((size_t)(rate / 10), 1), step = size_max(width / 4, 1);
    size_t best = n;
    double least = INFINITY;
    for (size_t at = n / 2; at + width <= n; at += step) {
        double power = 0;
        for (size_t i = at; i < at + width; i++)
            power += (double)samples[i] * samples[i];
        if (power < least) {
            least = power;
            best = at + width / 2;
        }
    }
    return best;
}

/* ---- What is given -------------------------------------------------------------------------------------- */

sib_code speech_pass(const job_watch *w, const sib_segment *segment, sib_str text, sib_error *err)
{
    sib_code code = SIB_OK;
    if (w && w->segment)
        code = w->segment(w->context, segment, err);
    if (code == SIB_OK && w && w->text)
        code = w->text(w->context, text.data, text.length, err);
    return code == SIB_OK ? code : err_set(err, code, "a callback ended the transcription");
}

static void drop_segments(void *owner)
{
    whisper_segments_cut(owner, 0);
    mem_free(owner);
}

sib_code speech_give(job_step *s, sib_str text, whisper_segments *segments, size_t language, sib_error *err)
{
    const char *spoken = step_text(s, language, "");
    text = whisper_trim(text);
    sib_code code = step_give(s, SPEECH_TEXT, job_value_text(text.data, text.length), err);
    if (code == SIB_OK)
        code = step_give(s, SPEECH_LANGUAGE, job_value_text(spoken, strlen(spoken)), err);
    whisper_segments *kept = code == SIB_OK ? mem_alloc(1, sizeof *kept) : NULL;
    if (code != SIB_OK || !kept)
        return code != SIB_OK ? code : err_memory(err, sizeof *kept, "segments");
    *kept = *segments;
    *segments = (whisper_segments){0};
    const sib_port_value value = {.type = SIB_PORT_SEGMENTS, .segments = {kept->data, kept->n}};
    return step_give(s, SPEECH_SEGMENTS, job_value_owning(value, kept, drop_segments), err);
}
