/* The kinds of nodes. */
#include "job/op.h"

#include <string.h>

static const job_op *const ops[] = {&job_op_features,   &job_op_windows, &job_op_spans, &job_op_tokenize,
                                    &job_op_detokenize, &job_op_sample,  &job_op_score, &job_op_fill,
                                    &job_op_pool,       &job_op_call,    &job_op_loop,  &job_op_transcribe};

const job_op *job_op_at(size_t i)
{
    return i < sizeof ops / sizeof *ops ? ops[i] : NULL;
}

const job_op *job_op_named(const char *name)
{
    const job_op *op;
    for (size_t i = 0; (op = job_op_at(i)); i++)
        if (!strcmp(op->name, name))
            return op;
    return NULL;
}

/* The runner executes it. */
const job_op job_op_loop = {.name = "loop", .meaning = "a body of nodes, run repeatedly", .loop = true};
