/* Values as JSON, with a digest. Numbers that are not finite are the strings "NaN", "Infinity" and "-Infinity". */
#ifndef CLI_VALUE_JSON_H
#define CLI_VALUE_JSON_H

#include "messages.h"

/* {"name", "type", "dtype", "dims", "first": elements, "digest"}; of sequences and optionals "items" in the
   place of dtype, dims and first. */
json_t *value_json(const char *name, const sib_value *v);

#endif
