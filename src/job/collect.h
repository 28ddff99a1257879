/* Collects what the iterations of a loop return. */
#ifndef JOB_COLLECT_H
#define JOB_COLLECT_H

#include "job/value.h"

#include "base/buffer.h"

typedef struct collector {
    sib_port_type type; /* of the items */
    byte_buffer bytes;
    size_t n;        /* items */
    sib_dtype dtype; /* of tensors, which all have the dims of the first */
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
} collector;

/* Starts from {.type}. Errors: SIB_ERR_ARGUMENT (a tensor of other dims, or too many axes), SIB_ERR_MEMORY. */
sib_code collector_add(collector *c, const job_value *item, sib_error *err);
/* All items: texts and tokens joined, numbers listed, tensors along a new first axis (none: dims [0]). Ends c. */
sib_code collector_give(collector *c, job_value **out, sib_error *err);
void collector_drop(collector *c);

#endif
