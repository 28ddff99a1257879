/* A model of many large weights, mostly holes: as large as asked for, and written in a moment. */
#ifndef TESTS_ONNX_BIG_H
#define TESTS_ONNX_BIG_H

#include <stddef.h>
#include <stdint.h>

/* Writes a model of n_tensors chained Add nodes over float32 weights in raw_data, about `bytes` in all (at most 2 GiB),
   to path. The weights are holes in the file, but for one number in each; they stand `shift` bytes behind a multiple of
   64. 0, or -1 with errno. */
int big_model_write(const char *path, uint64_t bytes, unsigned n_tensors, unsigned shift);

#endif
