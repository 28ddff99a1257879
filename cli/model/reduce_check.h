/* The check of sibyl reduce: a process of sibyl diff and the fault that it names, or any command and the status
   with which it ends. */
#ifndef CLI_REDUCE_CHECK_H
#define CLI_REDUCE_CHECK_H

#include "model/model_inputs.h"
#include "shared_options.h"

typedef struct reduce_check {
    const extension_settings *ext;
    const char *folder;  /* for models that are tried */
    char *text, **words; /* of the check */
    size_t n_words;
    const char *shell; /* the check as it was given */
    bool command;      /* it is no diff: the text is a shell's, which gets model and inputs as arguments */
    int status;        /* of waitpid, of a command on the entire model; not 0 */
    long done, limit;  /* checks */
    char *fault;       /* the value that diff names, NULL of a command, */
    bool unrun;        /* since it could not be compared */
    bool failed;       /* a check could not be made, as a line on stderr says */
} reduce_check;

/* Reads "diff" and its options: words between blanks, those in quotes as one; or another command. Returns
   false, with a line on stderr. */
bool reduce_check_read(const char *text, reduce_check *c);
/* The value of an option among the words, "--NAME VALUE" or "--NAME=VALUE"; NULL where it is not there. */
const char *reduce_check_option(const reduce_check *c, const char *name);
/* Checks the entire model, and keeps the first value that it names and that a node of the main graph makes:
   that node. SIB_NONE, with a line on stderr, where there is none. */
uint32_t reduce_check_find(reduce_check *c, const char *path, const sib_graph *g, const model_inputs *in);
/* Runs a command on the entire model and keeps its status. Returns false, with a line on stderr, where it ends
   with 0 or cannot be run. */
bool reduce_check_command(reduce_check *c, const char *path, const model_inputs *in);
/* Whether a model shows the fault on these inputs: of a command, whether it ends as for the entire model. False
   where no check is left, one could not be made, or a signal has come. */
bool reduce_check_shows(reduce_check *c, const sib_model *m, const model_inputs *in);
/* Saves a model to be checked. Where it cannot be written, no further check is made. */
bool reduce_check_save(reduce_check *c, const sib_model *m, const char *path);
void reduce_check_free(reduce_check *c);

/* Saves a model, with its weights in a file of their own where one is too small for them. */
bool reduce_save(const sib_model *m, const char *path, sib_error *err);

#endif
