/* A gate that lets a number of requests through at a time. */
#ifndef SIB_SERVER_GATE_H
#define SIB_SERVER_GATE_H

#include "server/http/exchange.h"

#include <pthread.h>

typedef struct gate {
    pthread_mutex_t lock;
    pthread_cond_t left;
    unsigned room; /* how many may still enter */
} gate;

void gate_create(gate *g, unsigned room);
void gate_free(gate *g);
/* Waits for room. Returns false, without entering, once the request is cancelled. Thread-safe. */
bool gate_enter(gate *g, const exchange *x);
/* Enters for as many of `wanted` as there is room for at once, and returns how many. */
unsigned gate_enter_some(gate *g, unsigned wanted);
void gate_leave(gate *g, unsigned n);

#endif
