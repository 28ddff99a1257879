/* Compiled kernels kept in files, so that a process compiles only what none did before: in
   $XDG_CACHE_HOME/sibyl or ~/.cache/sibyl, a file per key. A file appears complete or not at all; one that is
   damaged or of another key is as none. */
#ifndef GPU_CUDA_CACHE_H
#define GPU_CUDA_CACHE_H

#include "gpu/cuda_compile.h"

#define CUDA_CACHE_SEED UINT64_C(0xcbf29ce484222325)
/* FNV-1a, the same in every process. */
uint64_t cuda_cache_hash(uint64_t hash, const void *data, size_t n);

/* The file of a key, a line of text: owned by the caller, mem_free. NULL where there is no folder for it, or no
   memory. */
char *cuda_cache_path(const char *key);
/* Returns false where the file holds no image of that key. */
bool cuda_cache_read(const char *path, const char *key, cuda_image *out);
/* Keeps an image; where that fails, the next process compiles again. */
void cuda_cache_write(const char *path, const char *key, const cuda_image *image);

#endif
