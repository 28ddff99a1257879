/* Runs that clients ask for. */
#ifndef SIB_SERVER_RUN_REQUEST_H
#define SIB_SERVER_RUN_REQUEST_H

#include "server/http/exchange.h"
#include "server/runs/run.h"

/* A run that is not started, as the body of a request or the field `request` of its form asks for; held by the caller. Takes
   the body, which is given up before the run starts, so that what the run holds of it is the worker's alone: jansson reads
   its counts of references without atomics. Answers and returns NULL where the request is wrong. */
run *run_request_read(exchange *x, json_t *body);

#endif
