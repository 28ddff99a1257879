/* Parts of a tokenizer's JSON, with their paths for messages. */
#ifndef TEXT_JSON_PART_H
#define TEXT_JSON_PART_H

#include "base/buffer.h"
#include "base/error.h"

#include <jansson.h>

/* Max nesting of sequences of steps. */
#define JSON_MAX_DEPTH 8

typedef struct json_part {
    const char *file; /* for messages */
    const json_t *value;
    char path[96]; /* "pre_tokenizer/pretokenizers[1]" */
    int depth;
} json_part;

/* Parses a document, which must be an object. Release with json_decref. Errors: SIB_ERR_FORMAT with the
   offset. */
sib_code json_part_parse(const char *file, sib_str text, json_t **out, json_part *part, sib_error *err);

/* Return the part under a key, and item i of a list; the value is NULL where there is none or it is null. */
json_part json_part_at(const json_part *p, const char *key);
json_part json_part_item(const json_part *p, size_t i);

/* Reports "FILE: PATH: words". */
sib_code json_part_bad(const json_part *p, sib_code code, sib_error *err, const char *words);
#if defined(SIBYL_ASSERTIONS)
#define json_part_bad(...) err_failed(json_part_bad(__VA_ARGS__)) /* as err_set */
#endif
/* Reports an unknown name: "FILE: PATH: WHAT 'name' is not known here". */
sib_code json_part_unknown(const json_part *p, const char *what, const char *name, sib_error *err);

/* Get the string, boolean or integer under a key; *out is unchanged where there is none. Errors:
   SIB_ERR_FORMAT for another type. Strings are borrowed. */
sib_code json_part_string(const json_part *p, const char *key, sib_str *out, sib_error *err);
sib_code json_part_bool(const json_part *p, const char *key, bool *out, sib_error *err);
sib_code json_part_integer(const json_part *p, const char *key, int64_t *out, sib_error *err);
/* Returns the "type" of a part, "" where it has none. */
const char *json_part_type(const json_part *p);

#endif
