/* sibyl run --manifest: a model on each item of a set. */
#ifndef CLI_RUN_SET_H
#define CLI_RUN_SET_H

#include "set/set.h"
#include "shared_options.h"

typedef struct model_set {
    const sib_model *model;
    sib_session *session;
    input_settings in; /* that all items share */
} model_set;

/* An item is a .npz with inputs by name, or a .npy, .pb or .txt file for the one input that -i does not give; its outputs
   become ITEM.npz. work: all but endings, make and context. Returns an exit code. */
int run_model_set(model_set *set, const set_work *work);

#endif
