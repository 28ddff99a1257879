/* LoRA adapters (Hu et al. 2021) in PEFT's layout, merged into the weights of a checkpoint as they are read. */
#ifndef IMPORT_ADAPTER_H
#define IMPORT_ADAPTER_H

#include "import/read/checkpoint.h"

/* Max rank of an adapter's matrices. */
#define ADAPTER_MAX_RANK 65536

/* Merges the adapter of a folder (adapter_config.json, adapter_model.safetensors or .bin) into c: matrices get what is
   added to them, weights that it has complete (modules_to_save, biases) take the place of c's.
   Errors: those of checkpoint_open; SIB_ERR_FORMAT (a weight that c lacks, by name, or of another shape),
   SIB_ERR_UNSUPPORTED (another kind of adapter, by name), SIB_ERR_MEMORY. */
sib_code adapter_merge(checkpoint *c, const char *folder, sib_error *err);

#endif
