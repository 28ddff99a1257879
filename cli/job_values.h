/* Values of jobs on the command line: inputs read by their types, outputs shown and written. */
#ifndef CLI_JOB_VALUES_H
#define CLI_JOB_VALUES_H

#include "messages.h"
#include "options.h"

/* Inputs of a run, in the order in which they were given. */
typedef struct job_inputs {
    double max_seconds; /* of recordings, as in sib_audio_options */
    size_t n, room;
    sib_job_value *items; /* (n) */
    void **owned;         /* (n) what they point to, or NULL */
    sib_tensor **tensors; /* (n) likewise */
} job_inputs;

/* Adds the input that the job calls `name`, read from text by its type: audio from a file at the job's rate,
   a tensor from a .npy file, text verbatim or, after an @, from a file, tokens and numbers separated by
   commas, a flag as true or false; "null" omits an input, as does Python's "None". Returns false, with a line on stderr, on
   failure. */
bool job_inputs_add(job_inputs *in, const sib_job *job, const char *name, const char *text);
/* "NAME=VALUE" of an option. */
bool job_inputs_add_pair(job_inputs *in, const sib_job *job, const char *pair);
/* All of an option's list. */
bool job_inputs_add_list(job_inputs *in, const sib_job *job, const cli_list *pairs);
void job_inputs_free(job_inputs *in);

/* A value as JSON; tensors as their type, dims and statistics. */
json_t *job_value_json(const sib_port_value *v);
/* Prints one line, or the text itself. */
void job_value_show(const char *name, const sib_port_value *v);
/* FOLDER/NAME.npy, .txt or .json. Returns false, with a line on stderr, on failure. */
bool job_value_write(const char *folder, const char *name, const sib_port_value *v);

#endif
