/* A model of many large weights, mostly holes in the file: of any size, and written in a moment. */
#ifndef TESTS_ONNX_BIG_H
#define TESTS_ONNX_BIG_H

#include <stddef.h>
#include <stdint.h>

/* Writes to path a model of n_tensors chained Add nodes over float32 weights in raw_data, about `bytes` in
   total (at most 2 GiB). The weights are holes in the file, except for one number in each; each begins
   `shift` bytes after a multiple of 64. Returns 0, or -1 with errno. */
int big_model_write(const char *path, uint64_t bytes, unsigned n_tensors, unsigned shift);

#endif
