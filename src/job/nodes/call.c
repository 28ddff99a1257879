/* A node that calls a model. */
#include "base/alloc.h"
#include "base/error.h"
#include "job/nodes/nodes.h"

static sib_code call_run(job_step *s, sib_error *err)
{
    const call_plan *p = job_call_plan(s->calls[0]);
    size_t n_out = 0;
    while (call_plan_output(p, n_out))
        n_out++;
    sib_value **made = mem_calloc(n_out + 1, sizeof *made);
    if (!made)
        return err_memory(err, n_out * sizeof *made, "outputs of a call");
    /* a node's ports are the call's, in the same order */
    sib_code code = job_call_run(s->calls[0], s->in, made, err);
    for (size_t i = 0; i < n_out; i++) {
        if (code == SIB_OK && !sib_value_tensor(made[i]))
            code = err_set(err, SIB_ERR_UNSUPPORTED, "%s: '%s' is not a tensor", s->node->name,
                           s->node->outputs[i].name);
        if (code != SIB_OK)
            sib_value_free(&made[i]);
        else
            code = step_give(s, i, job_value_tensor(made[i], SIB_PORT_TENSOR), err);
    }
    mem_free(made);
    return code;
}

static const char *const calls[] = {"model"};
const job_op job_op_call = {.name = "call",
                            .meaning = "a model, by the ports of the call that 'calls' names as 'model'",
                            .calls = calls,
                            .n_calls = 1,
                            .n_needed = 1,
                            .call = true,
                            .run = call_run};
