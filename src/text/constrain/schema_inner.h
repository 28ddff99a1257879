/* Shared by the files of schema.h: a schema under way. */
#ifndef TEXT_CONSTRAIN_SCHEMA_INNER_H
#define TEXT_CONSTRAIN_SCHEMA_INNER_H

#include "text/constrain/json_grammar.h"
#include "text/constrain/schema.h"

#include <jansson.h>

/* A schema that a reference names, and its node. */
typedef struct schema_target {
    const json_t *schema;
    uint32_t node;
} schema_target;

typedef struct compiler {
    grammar *g;
    json_grammar json;
    schema_target *targets; /* (n) */
    size_t n, capacity;
    json_t *merged; /* a list of the schemas that were made of several */
    uint32_t n_merged;
    sib_error *err;
} compiler;

/* A schema under way: where it stands, and the document that its references are of. */
typedef struct place {
    const struct place *around;
    const char *key; /* within `around` */
    const json_t *schema, *root;
    int depth;
} place;

enum {
    OF_NULL = 1,
    OF_BOOLEAN = 2,
    OF_INTEGER = 4,
    OF_NUMBER = 8,
    OF_STRING = 16,
    OF_ARRAY = 32,
    OF_OBJECT = 64,
    OF_ANY = OF_NULL | OF_BOOLEAN | OF_NUMBER | OF_STRING | OF_ARRAY | OF_OBJECT
};

/* Both give 0 and keep the first failure. */
uint32_t schema_fault(compiler *c, const place *p, sib_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
uint32_t schema_no_memory(compiler *c);

/* The node of a schema; of one within `around`. */
uint32_t schema_compile(compiler *c, const place *p);
uint32_t schema_compile_at(compiler *c, const place *around, const char *key, const json_t *schema);

/* The types that "type" says, OF_INTEGER without OF_NUMBER for integers alone; 0 where it is missing, or
   after a failure. */
unsigned schema_types(compiler *c, const place *p);
/* Counts from *min to *max (JSON_NO_MAX); false where there are none. */
bool schema_counts(compiler *c, const place *p, const char *min_name, const char *max_name, uint32_t *min,
                   uint32_t *max);
/* A value in the fewest digits that give its numbers: free. NULL where memory fails. */
char *schema_text_of(const json_t *value);
int schema_by_bytes(const void *a, const void *b);

/* One of the values of a list, those of the types that "type" says. */
uint32_t schema_values(compiler *c, const place *p, const json_t *list);
/* Values of one type. */
uint32_t schema_object(compiler *c, const place *p);
uint32_t schema_array(compiler *c, const place *p);
uint32_t schema_string(compiler *c, const place *p);
uint32_t schema_number(compiler *c, const place *p, bool integer);

/* The schema that a reference of p names, with its document; NULL after a failure. */
const json_t *schema_referred(compiler *c, const place *p, const json_t **root);
/* Whether p is several schemas that all must hold; then the one that says the same, which the compiler
   keeps, in *one: NULL after a failure. */
bool schema_is_several(compiler *c, const place *p, const json_t **one);
/* Whether p was made so. Where none of its values fit, that is no failure: of alternatives one may have none. */
bool schema_is_merged(const compiler *c, const place *p);

#endif
