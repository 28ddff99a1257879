/* LoRA adapters (Hu et al. 2021) in PEFT's layout, merged into the weights of a checkpoint as they are read. */
#ifndef IMPORT_ADAPTER_H
#define IMPORT_ADAPTER_H

#include "import/read/checkpoint.h"

/* Max rank of an adapter's matrices. */
#define ADAPTER_MAX_RANK 65536

/* What is added to a weight W of [rows, columns]: scale * B A, of B [out, rank] and A [rank, in]. */
struct weight_delta {
    const float *a, *b;
    size_t rows, columns, rank;
    double scale;
    bool across; /* W is [in, out]: (B A) transposed is added */
};

/* Adds elements [first, first + n) to out (n), in double, rounded once. */
void adapter_add(const weight_delta *d, uint64_t first, size_t n, float *out);

/* Merges the adapter of a folder (adapter_config.json, adapter_model.safetensors or .bin) into c: matrices get what is
   added to them, weights that it has complete (modules_to_save, biases) take the place of c's.
   Errors: those of checkpoint_open; SIB_ERR_FORMAT (a weight that c lacks, by name, or of another shape),
   SIB_ERR_UNSUPPORTED (another kind of adapter, by name), SIB_ERR_MEMORY. */
sib_code adapter_merge(checkpoint *c, const char *folder, sib_error *err);

#endif
