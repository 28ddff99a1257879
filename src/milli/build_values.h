/* Builder of milli-ops, for what is not numbers: sequences, optionals and maps, text and images; and for
   trees and random numbers. As in milli/build.h, but each checks the types of its operands, as far as they are
   known, and names itself where they do not fit. */
#ifndef MILLI_BUILD_VALUES_H
#define MILLI_BUILD_VALUES_H

#include "milli/build.h"
#include "spec/spec.h"

/* ---- Sequences and optionals ------------------------------------------------------------------------------ */

/* Positions are scalars of any integer dtype, from the end where negative. */
mval m_sequence_make(lowering *l, size_t n, const mval *items); /* n >= 1 */
mval m_sequence_empty(lowering *l, value_type item);
mval m_sequence_at(lowering *l, mval s, mval at);
mval m_sequence_insert(lowering *l, mval s, mval x, mval at); /* before `at`; MVAL_NONE: at the end */
mval m_sequence_erase(lowering *l, mval s, mval at);          /* MVAL_NONE: the last */
mval m_sequence_length(lowering *l, mval s);
mval m_sequence_concat(lowering *l, mval s, int64_t axis, bool stack); /* stack: along a new axis */
/* sizes: a size for all pieces or a list of sizes. MVAL_NONE: single slices, without their axis unless
   keep. */
mval m_sequence_split(lowering *l, mval x, mval sizes, int64_t axis, bool keep);
mval m_optional_make(lowering *l, mval x);
mval m_optional_empty(lowering *l, value_type held);
mval m_optional_has(lowering *l, mval x); /* a tensor or sequence has */
mval m_optional_get(lowering *l, mval x);

/* ---- Maps ------------------------------------------------------------------------------------------------- */

mval m_map_make(lowering *l, mval keys, mval rows);               /* keys [k], rows [n, k]: n maps */
mval m_map_get(lowering *l, mval map, mval keys);                 /* [1, k] */
mval m_map_dense(lowering *l, mval map, mval fill, int64_t size); /* size -1: in order of keys */

/* ---- Text, images, trees, random numbers ------------------------------------------------------------------ */

mval m_regex_match(lowering *l, mval x, sib_str pattern);
/* out: the parts, their number. No delimiter: at white space. max -1: no limit. */
void m_string_split(lowering *l, mval x, sib_str delimiter, int64_t max, mval out[2]);
mval m_string_case(lowering *l, mval x, bool upper);
mval m_ascii_upper(lowering *l, mval x);
mval m_string_length(lowering *l, mval x);
mval m_murmur3(lowering *l, mval x, int64_t seed); /* of strings or numbers */
mval m_murmur64(lowering *l, mval x, int64_t seed, bool tail);
mval m_regex_replace(lowering *l, mval x, const regex_edit_spec *edit);
/* x [n]. out: words [m], their first bytes, the bytes after them, first words [n + 1]. No keep: no matches. */
void m_regex_split(lowering *l, mval x, const regex_edit_spec *edit, mval out[4]);
/* attributes: those of com.microsoft Tokenizer, checked. */
mval m_tokenize(lowering *l, mval x, size_t n_attributes, attribute *attributes);
/* attributes: those of ONNX TfIdfVectorizer, checked. */
mval m_tfidf(lowering *l, mval x, size_t n_attributes, attribute *attributes);
/* format: RGB, BGR or Grayscale. empty: what cannot be decoded gives no pixels. */
/* The elements of blocks of quantised numbers: float32 [..., k] of uint8 [..., bytes of a row]. */
mval m_decode_blocks(lowering *l, mval bytes, sib_str format);
mval m_decode_image(lowering *l, mval bytes, sib_str format, bool empty);
/* in: boxes, scores, max per class, thresholds of IoU and score: see milli.def. */
mval m_non_max_suppression(lowering *l, const mval in[5], bool center_point);
/* in: rows, splits, weights, members. attributes: those of the milli-op. */
mval m_trees(lowering *l, const mval in[4], size_t n_attributes, const attribute *attributes,
             int64_t targets);
mval m_couple_pairs(lowering *l, mval pairs);
mval m_determinant(lowering *l, mval x);
mval m_warp_path(lowering *l, mval costs); /* int32 [2, n] of [m, k] */
/* A seed of 32 bits from the session's and the node, for draw 0, 1, ... of it. */
int64_t m_seed(const lowering *l, uint32_t draw);

#endif
