/* Weights and facts from a PyTorch pickle. */
#ifndef IMPORT_TORCH_STATE_H
#define IMPORT_TORCH_STATE_H

#include "import/read/pickle.h"

/* Access to the bytes of storages in a file. */
typedef struct torch_storages {
    /* Finds the storage's elements. Errors: the storage is missing, or of another size. */
    sib_code (*find)(void *context, const pickle_value *storage, uint64_t *offset);
    void *context;
} torch_storages;

/* Adds the tensors below `root`, a dict, as weights, and numbers and text as facts. Nested keys are joined by
   dots, items of lists named by index. A single state dict among other things ("model_state_dict",
   "state_dict", "model") gives its weights their own names. */
sib_code torch_add_state(const pickle *p, uint32_t root, const torch_storages *storages);
/* Bytes of a storage's elements; returns false where they overflow. */
bool torch_storage_bytes(const pickle_value *storage, uint64_t *bytes);

#endif
