/* Values of a run by name, in the order in which they were computed. */
#ifndef CLI_RECORDING_H
#define CLI_RECORDING_H

#include <sibyl/sibyl.h>

typedef struct recorded {
    char *name, *node, *op_type;
    bool milli;
    sib_value *value; /* a copy */
} recorded;

typedef struct recording {
    recorded *items; /* (n) */
    size_t n, capacity;
    size_t *slots; /* (n_slots) indices of items plus 1 by hash of name, 0 for none */
    size_t n_slots;
} recording;

/* A sib_tap whose context is a recording. */
sib_code recording_tap(void *context, const sib_tap_event *event, sib_error *err);
/* Returns the n-th value of that name, NULL if there is none. */
const recorded *recording_find(const recording *r, const char *name);
void recording_free(recording *r);

#endif
