/* The attention of a job that transcribes: its node's calls, made outside of a run of the job. */
#include "job/whisper/attend.h"

#include "base/alloc.h"
#include "base/error.h"
#include "job/job.h"
#include "job/nodes/called_whisper.h"

void sib_attention_free(sib_attention **a)
{
    if (!a || !*a)
        return;
    mem_free((*a)->tokens);
    mem_free((*a)->logprobs);
    mem_free((*a)->top);
    mem_free((*a)->top_logprobs);
    sib_tensor_free(&(*a)->weights);
    mem_free(*a);
    *a = NULL;
}

enum { CALLS = 3 }; /* of a node `transcribe` */

/* The first node that transcribes and can align, or NULL. */
static const job_node *find_node(const job_doc *d)
{
    for (size_t i = 0; i < d->n_nodes; i++) {
        const job_node *n = d->places[i].node;
        if (n->op == &job_op_transcribe && n->tokenizer != NO_INDEX && n->calls[CALLS - 1] != NO_INDEX)
            return n;
    }
    return NULL;
}

/* Begins the node's calls, each after the one that gives its context. calls: (CALLS) */
static sib_code begin_calls(const sib_job *j, const job_node *n, const job_watch *watch, job_call **calls,
                            sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t i = 0; i < CALLS && code == SIB_OK; i++) {
        size_t of = j->doc->calls[n->calls[i]].of;
        job_call *context = NULL;
        for (size_t k = 0; k < i; k++)
            if (n->calls[k] == of)
                context = calls[k];
        code = job_call_begin(j->parts.plans[n->calls[i]], context, watch, NULL, &calls[i], err);
    }
    return code;
}

static sib_code attend(const sib_job *j, const job_node *n, const sib_tensor *audio,
                       const sib_attention_request *request, sib_attention *out, sib_error *err)
{
    const job_watch watch = {.cancel = request->cancel};
    job_call *calls[CALLS] = {0};
    job_value *in[WHISPER_IN_OPTIONS] = {0}; /* what the document says of the model */
    sib_port_value given = {.type = SIB_PORT_AUDIO, .tensor = audio};
    in[WHISPER_IN_AUDIO] = job_value_borrow(&given);
    for (size_t i = WHISPER_IN_AUDIO + 1; i < WHISPER_IN_OPTIONS; i++) {
        job_value *literal = n->in[i] == NO_SLOT ? NULL : j->doc->literals[n->in[i]];
        in[i] = literal ? job_value_as(literal, n->inputs[i].type) : NULL;
    }
    job_step step = {.node = n, .in = in, .calls = calls, .pool = j->parts.pool, .watch = &watch};
    called_whisper model = {0};
    const float *samples;
    size_t n_samples;
    sib_code code = in[WHISPER_IN_AUDIO] ? begin_calls(j, n, &watch, calls, err)
                                         : err_memory(err, sizeof **in, "a recording");
    if (code == SIB_OK)
        code = step_samples(&step, WHISPER_IN_AUDIO, &samples, &n_samples, err);
    if (code == SIB_OK)
        code = called_whisper_make(&step, &model, err);
    if (code == SIB_OK)
        code = whisper_attend(&model.m, j->parts.tokenizers[n->tokenizer], j->parts.pool, samples, n_samples,
                              request, out, err);
    called_whisper_clear(&model);
    for (size_t i = CALLS; i-- > 0;)
        job_call_end(&calls[i]);
    for (size_t i = 0; i < WHISPER_IN_OPTIONS; i++)
        job_value_release(in[i]);
    return code;
}

sib_code sib_job_attention(const sib_job *j, const sib_tensor *audio, const sib_attention_request *request,
                           sib_attention **out, sib_error *err)
{
    if (!j || !audio || !request || !out || (request->n_tokens && !request->tokens))
        return err_set(err, SIB_ERR_ARGUMENT,
                       "the job, the recording, the request, its tokens or out is NULL");
    *out = NULL;
    const job_node *n = find_node(j->doc);
    if (!n)
        return err_set(err, SIB_ERR_UNSUPPORTED, "the job has no node 'transcribe' with the call 'aligner'");
    sib_attention *made = mem_calloc(1, sizeof *made);
    sib_code code =
        made ? attend(j, n, audio, request, made, err) : err_memory(err, sizeof *made, "attention");
    if (code != SIB_OK)
        sib_attention_free(&made);
    *out = made;
    return code;
}
