/* Values of a run, kept by name in the order in which they were made. */
#ifndef CLI_RECORDING_H
#define CLI_RECORDING_H

#include <sibyl/sibyl.h>

typedef struct recorded {
    char *name, *node, *op_type;
    bool milli;
    sib_value *value; /* a copy of its own */
} recorded;

typedef struct recording {
    recorded *items; /* (n) */
    size_t n, capacity;
    size_t *slots; /* (n_slots) numbers of items plus 1 by hash of name, 0 for none */
    size_t n_slots;
} recording;

/* A sib_tap whose context is a recording. */
sib_code recording_tap(void *context, const sib_tap_event *event, sib_error *err);
/* The value of a name, the n-th that has it; NULL where there is none. */
const recorded *recording_find(const recording *r, const char *name);
void recording_free(recording *r);

#endif
