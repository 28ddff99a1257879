/* Runs of a model's job: its inputs by port, and what its outputs are. */
#ifndef SIB_SERVER_RUN_JOB_H
#define SIB_SERVER_RUN_JOB_H

#include "server/runs/run.h"
#include "server/runs/run_files.h"

/* Fills r->ports from `inputs` of the request, which the run keeps: by the port's type a string, a number, true or false, a
   list of these or of token ids, {"data"} or {"file"} for tensors, {"file"} for audio. A part of the form that has a
   port's name is its value. Errors: SIB_ERR_ARGUMENT (what is not as it must be, with the port's name), those of
   recordings and files, SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code run_ports_read(run *r, const exchange *x, json_t *request, run_files *files, sib_error *err);

/* Runs the job and fills r->results. In the run's thread. */
sib_code run_job(run *r, sib_error *err);

#endif
