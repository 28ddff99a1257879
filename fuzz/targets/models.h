/* Models from bytes, for the targets that have them. */
#ifndef FUZZ_MODELS_H
#define FUZZ_MODELS_H

#include <sibyl/session.h>

/* Opens a model that is allowed to cost little. hash: chooses among the options. */
static inline sib_code model_open(const void *data, size_t n, uint64_t hash, sib_model **out, sib_error *err)
{
    const sib_open_options options = {.max_nodes = 5000,
                                      .max_bytes = 16u << 20,
                                      .max_graph_bytes = 32u << 20,
                                      .any_input_dims = hash % 8 == 0};
    return sib_model_open_bytes(data, n, &options, out, err);
}

#endif
