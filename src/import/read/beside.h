/* Files of a Hugging Face folder that lie next to the checkpoint. */
#ifndef IMPORT_READ_BESIDE_H
#define IMPORT_READ_BESIDE_H

#include "import/read/checkpoint.h"

struct json_t;

/* "folder/name" next to the checkpoint's first file, NULL where there is none that can be read. Release with mem_free. */
char *beside_path(const checkpoint *c, const char *name);
/* Reads a file of JSON, at most 64 MiB: json_decref(*out). Errors: SIB_ERR_IO, SIB_ERR_FORMAT, SIB_ERR_SIZE. */
sib_code beside_json(const char *path, struct json_t **out, sib_error *err);

#endif
