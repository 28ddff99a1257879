/* What a pickle of PyTorch holds, as weights and facts. */
#ifndef IMPORT_TORCH_STATE_H
#define IMPORT_TORCH_STATE_H

#include "import/pickle.h"

/* The bytes of storages in a file. */
typedef struct torch_storages {
    /* Where the storage's elements stand. Errors: there is none, or not of that size. */
    sib_code (*find)(void *context, const pickle_value *storage, uint64_t *offset);
    void *context;
} torch_storages;

/* Adds the tensors below `root`, a dict, as weights, and numbers and text as facts, under their keys with dots between; of
   lists under their index. One state dict beside other things ("model_state_dict", "state_dict", "model") gives its weights
   their own names. */
sib_code torch_add_state(const pickle *p, uint32_t root, const torch_storages *storages);
/* Bytes of a storage's elements; false where they overflow. */
bool torch_storage_bytes(const pickle_value *storage, uint64_t *bytes);

#endif
