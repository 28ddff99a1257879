/* Files of a Hugging Face folder that lie next to the checkpoint. */
#ifndef IMPORT_READ_BESIDE_H
#define IMPORT_READ_BESIDE_H

#include "import/read/checkpoint.h"

struct json_t;

/* *out: path, to be released with mem_free, or NULL where it cannot be read. Takes `path`; NULL: SIB_ERR_MEMORY. */
sib_code readable_path(char *path, char **out, sib_error *err);
/* *out: "folder/name" next to the checkpoint's first file, to be released with mem_free; NULL where there is none that can
   be read. Errors: SIB_ERR_MEMORY. */
sib_code beside_path(const checkpoint *c, const char *name, char **out, sib_error *err);
/* Reads a file of JSON, at most 64 MiB: json_decref(*out). Errors: SIB_ERR_IO, SIB_ERR_FORMAT, SIB_ERR_SIZE. */
sib_code beside_json(const char *path, struct json_t **out, sib_error *err);

#endif
