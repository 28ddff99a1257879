/* Weights of quantised checkpoints: the parts of each, as config.json's quantization_config.quant_method
   says, become one weight NAME.weight of numbers, so that no recipe knows of them. */
#ifndef IMPORT_QUANTIZED_H
#define IMPORT_QUANTIZED_H

#include "import/read/reader.h"

/* Joins the parts in c, which then has the joined weights in their place; nothing where c has no
   quant_method. A method's scales of activations are left out: products are by what they are given. The
   arithmetic is that of the packages that write such files, in float32: weight_codes.h.
   Errors: SIB_ERR_UNSUPPORTED (another method or variant, with those that are known), SIB_ERR_FORMAT
   (parts that are missing or of the wrong shape or type, groups out of range), SIB_ERR_MEMORY. */
sib_code quantized_join(checkpoint *c, sib_error *err);

/* ---- For the schemes' functions ------------------------------------------------------------------------ */

typedef struct joining {
    checkpoint *c;
    const char *method;
    sib_str base;       /* of the names of the parts */
    bool *gone;         /* (weights of c) parts that are used */
    weight_codes *made; /* zeroed, with factor 1 */
    int64_t dims[2];    /* of the joined weight: out, in */
    uint64_t size;      /* bytes of the parts */
    sib_code code;      /* of the first failure */
    sib_error *err;
} joining;

typedef struct quantized_scheme {
    const char *method, *main,
        *mark;          /* endings of the weights that a scheme begins with, and of one beside it or NULL */
    const char *format; /* for reports */
    void (*join)(joining *j);
} quantized_scheme;

/* Those of quantized_schemes.c; ends with a row of NULL. */
extern const quantized_scheme quantized_schemes[];

typedef enum part_kind { PART_FLOAT, PART_INT32, PART_INT8, PART_UINT8, PART_FLOAT8, PART_INT } part_kind;

/* Bytes of a part's name. */
#define QUANTIZED_NAME_BYTES (READER_MAX_NAME + 64)

void join_fail(joining *j, sib_code code, const char *format, ...) ERR_PRINTF(3, 4);
/* The weight BASE<ending>; NULL where there is none. */
const weight *join_beside(const joining *j, const char *ending);
bool join_is(const weight *w, part_kind kind);
/* The part BASE<ending>, dense and of this kind; NULL where there is none, which fails if it is needed. */
const weight *join_part(joining *j, const char *ending, part_kind kind, bool needed);
/* The same for a matrix that is needed. */
const weight *join_matrix(joining *j, const char *ending, part_kind kind);
/* Whether there is a part of this kind. */
bool join_has(const joining *j, const char *ending, part_kind kind);
/* Fails unless the part has these dims, apart from dims of 1. */
void join_expect(joining *j, const weight *part, const char *ending, int64_t rows, int64_t columns);
/* A text of config.json under the entire key. */
sib_str quantized_text(const checkpoint *c, const char *key, const char *otherwise);
/* config.json's quantization_config.<key>. */
int64_t join_int(const joining *j, const char *key, int64_t otherwise);
/* Whether the text under the key, or `otherwise` where there is none, is `text`. */
bool join_text_is(const joining *j, const char *key, const char *otherwise, const char *text);

#endif
