/* The kinds of nodes. */
#include "job/nodes/nodes.h"

/* The runner executes it. */
const job_op job_op_loop = {.name = "loop", .meaning = "a body of nodes, run repeatedly", .loop = true};

const job_op *const job_ops[] = {&job_op_features,  &job_op_windows,    &job_op_spans,
                                 &job_op_tokenize,  &job_op_detokenize, &job_op_sample,
                                 &job_op_score,     &job_op_fill,       &job_op_pool,
                                 &job_op_call,      &job_op_loop,       &job_op_transcribe,
                                 &job_op_decode,    &job_op_ctc,        &job_op_recognise,
                                 &job_op_transduce, &job_op_spell,      &job_op_speak,
                                 &job_op_say,       &job_op_utter,      NULL};
