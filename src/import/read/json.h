/* JSON files next to weights. */
#ifndef IMPORT_JSON_H
#define IMPORT_JSON_H

#include "import/read/key.h"

#include <jansson.h>

/* Parses an object whose bytes begin at byte `at` of the file. *out: json_decref. */
sib_code json_parse(ckpt_file *s, byte_span bytes, uint64_t at, json_t **out);

/* Adds a JSON value as facts below `key`: nested objects with dots, lists of one kind (integers among floats
   are floats) as lists, other lists by index. Nulls are left out. All numbers are finite: Infinity is a large one. */
sib_code json_facts(ckpt_file *s, const json_t *value, key_path *key);

#endif
