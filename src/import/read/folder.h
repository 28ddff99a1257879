/* Selects the checkpoint files of a folder in Hugging Face's layout. */
#ifndef IMPORT_FOLDER_H
#define IMPORT_FOLDER_H

#include <sibyl/base.h>

typedef struct folder_files {
    char **paths; /* (n) in the order in which they are read; from mem_alloc */
    size_t n, capacity;
} folder_files;

/* Lists config.json and generation_config.json if present, then the weights: the first that exists of
   model.safetensors, the files named by model.safetensors.index.json, all *.safetensors; otherwise all
   *.gguf; otherwise in the same way pytorch_model.bin, or all *.bin, *.pt and *.pth except the state of
   trainers. An empty result is no failure. out: all zero before; folder_clear(out), also where it fails.
   Errors: SIB_ERR_IO, SIB_ERR_FORMAT (an index), SIB_ERR_MEMORY. */
sib_code folder_list(const char *folder, folder_files *out, sib_error *err);
void folder_clear(folder_files *f);

#endif
