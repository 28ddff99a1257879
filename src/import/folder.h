/* Which files of a folder are a checkpoint, as Hugging Face lays folders out. */
#ifndef IMPORT_FOLDER_H
#define IMPORT_FOLDER_H

#include <sibyl/base.h>

typedef struct folder_files {
    char **paths; /* (n) in the order in which they are read; from mem_alloc */
    size_t n, capacity;
} folder_files;

/* config.json and generation_config.json where they are, then the weights: the first of model.safetensors, the files that
   model.safetensors.index.json names, all *.safetensors; else all *.gguf; else in the same way pytorch_model.bin, and all
   *.bin, *.pt and *.pth but for what trainers keep. None is no failure.
   out: all zero before; folder_clear(out), also where it fails. Errors: SIB_ERR_IO, SIB_ERR_FORMAT (an index),
   SIB_ERR_MEMORY. */
sib_code folder_list(const char *folder, folder_files *out, sib_error *err);
void folder_clear(folder_files *f);

#endif
