/* Runs as JSON. */
#ifndef SIB_SERVER_RUN_JSON_H
#define SIB_SERVER_RUN_JSON_H

#include "server/runs/run.h"

#include <jansson.h>

/* The caller holds no lock of the run. NULL where memory fails. */
json_t *run_json(run *r);
/* full: the digest with histogram and cells. The caller holds the run's lock. */
json_t *run_value_json(const run_value *v, bool full);
/* {"name", "type", "value"} of each output of a job, {"name", "type"} of a graph's. The caller holds the run's lock. */
json_t *run_outputs_json(const run *r, bool with_values);

#endif
