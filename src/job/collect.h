/* Collects what the iterations of a loop return. */
#ifndef JOB_COLLECT_H
#define JOB_COLLECT_H

#include "job/document/value.h"

#include "base/buffer.h"

typedef struct collector {
    sib_port_type type; /* type of the items */
    byte_buffer bytes;
    size_t n;        /* number of items */
    sib_dtype dtype; /* of tensors, whose dims all equal those of the first */
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
} collector;

/* Adds an item to a collector that starts as {.type}. Errors: SIB_ERR_ARGUMENT (a tensor of other dims, or
   too many axes), SIB_ERR_MEMORY. */
sib_code collector_add(collector *c, const job_value *item, sib_error *err);
/* Returns all items: texts and tokens joined, numbers listed, tensors stacked along a new first axis (no
   items: dims [0]). Ends c. */
sib_code collector_give(collector *c, job_value **out, sib_error *err);
void collector_drop(collector *c);

#endif
