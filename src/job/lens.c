/* The logit lens of a call. */
#include "base/error.h"
#include "job/job.h"

#include <sibyl/lens.h>
#include <string.h>

sib_code sib_job_lens(const sib_job *j, const char *call, sib_lens **out, sib_error *err)
{
    if (!j || !call || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "the job, its call or out is NULL");
    *out = NULL;
    const call_plan *p = NULL;
    for (size_t i = 0; i < j->doc->n_calls; i++)
        if (!strcmp(j->doc->calls[i].name, call))
            p = j->parts.plans[i];
    if (!p)
        return err_set(err, SIB_ERR_ARGUMENT, "the job has no call '%s'", call);
    size_t tokens = call_plan_input_named(p, "tokens"), logits = call_plan_output_named(p, "logits");
    if (tokens == NO_INDEX || logits == NO_INDEX)
        return err_set(err, SIB_ERR_UNSUPPORTED, "the call '%s' has no port '%s'", call,
                       tokens == NO_INDEX ? "tokens" : "logits");
    sib_session_options options = {.backends = j->backends, .pool = j->parts.pool, .log = j->log};
    return sib_lens_create((sib_model *)(uintptr_t)sib_session_model(call_plan_session(p)),
                           call_plan_input(p, tokens)->value, call_plan_output(p, logits)->value, &options,
                           out, err);
}
