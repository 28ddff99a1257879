/* Normalizers of a tokenizer.json: rewrite a text before it is split. */
#ifndef TEXT_STEPS_NORMALIZE_H
#define TEXT_STEPS_NORMALIZE_H

#include "text/steps/pattern.h"

typedef struct normalizer normalizer;

/* Builds the steps of a part; none for a NULL value, where *out may be NULL. Errors: SIB_ERR_FORMAT,
   SIB_ERR_UNSUPPORTED (an unknown step, by name), SIB_ERR_MEMORY. */
sib_code normalizer_open(const json_part *p, normalizer **out, sib_error *err);
void normalizer_free(normalizer **n);

/* Normalizes `text` into *out, which is `text` itself or is in `scratch`. n may be NULL. Bytes that are
   not UTF-8 are unchanged. Errors: SIB_ERR_UNSUPPORTED (as pattern_next), SIB_ERR_SIZE, SIB_ERR_MEMORY. */
sib_code normalizer_run(const normalizer *n, sib_str text, byte_buffer *scratch, sib_str *out,
                        sib_error *err);

/* Appends a Unicode normalization form (UAX 15) of `text` to out. compose: C, else D; compatible: KC and
   KD. */
sib_code unicode_form(sib_str text, bool compose, bool compatible, byte_buffer *out, sib_error *err);

#endif
