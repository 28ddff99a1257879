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

sib_code speech_call(const job_step *s, size_t call, const char *port, sib_dtype dtype, size_t rank,
                     const int64_t *dims, const void *data, const char *gives, sib_tensor **out,
                     sib_error *err)
{
    const call_plan *p = job_call_plan(s->calls[call]);
    const size_t at = call_plan_input_named(p, port), wanted = call_plan_output_named(p, gives);
    size_t n_in = 0, n_out = 0;
    if (out)
        *out = NULL;
    if (at == NO_INDEX || wanted == NO_INDEX)
        return err_set(err, SIB_ERR_ARGUMENT, "%s: its call '%s' needs the ports '%s' and '%s'",
                       s->node->name, s->node->op->calls[call], port, gives);
    while (call_plan_input(p, n_in))
        n_in++;
    while (call_plan_output(p, n_out))
        n_out++;
    job_value **in = mem_calloc(n_in + 1, sizeof *in);
    sib_value **made = mem_calloc(n_out + 1, sizeof *made);
    job_value *given = job_value_over(dtype, rank, dims, data);
    sib_code code = in && made && given ? SIB_OK : err_memory(err, n_in * sizeof *in, "ports of a call");
    if (code == SIB_OK) {
        in[at] = given;
        code = job_call_run(s->calls[call], in, made, err);
    }
    if (code == SIB_OK && out)
        code = convert(s, made[wanted], gives, out, err);
    for (size_t i = 0; made && i < n_out; i++)
        sib_value_free(&made[i]);
    job_value_release(given);
    mem_free(made);
    mem_free(in);
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
