/* Steps of a plan while somebody observes the run. */
#ifndef RUN_EXECUTE_WATCHED_H
#define RUN_EXECUTE_WATCHED_H

#include "run/execute/frame.h"

/* The node whose steps run. */
typedef struct watched_node {
    open_span span;   /* its `is` is false at the start of a segment */
    const char *name; /* of the node; number: where it has none */
    char number[NODE_LABEL];
    size_t seen; /* 1 + the last step that ran while somebody wanted values; 0: none */
} watched_node;

/* Runs step i of s, as a span and a row of the profile for those who want them. */
sib_code watched_step(const frame *f, segment *s, const instance *in, size_t i, watched_node *w,
                      sib_error *err);

#endif
