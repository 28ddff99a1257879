/* Values that another runtime computes, run by a Python that has it. */
#ifndef CLI_PEER_H
#define CLI_PEER_H

#include "model/model_inputs.h"

/* Runtimes, for options. Ends with NULL. */
extern const char *const peer_names[];

/* Runs the model on the inputs and writes every value of its main graph as a dump (dump.h) into the folder
   `out`. Returns false, with a line on stderr, where no Python has the runtime or it fails. */
bool peer_dump(int peer, const char *model, const model_inputs *in, const char *out);

#endif
