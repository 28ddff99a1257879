/* Strings as onnxruntime-extensions works on them: domain ai.onnx.contrib. */
#include "milli/build_values.h"
#include "ops/lower/elem.h"
#include "tensor/tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mval strings_in(lowering *l, size_t i, const char *what)
{
    mval x = l_in(l, i);
    return elem_takes(l, x, what, ELEM(SIB_STRING)) ? x : MVAL_NONE;
}

/* The one string of input i, which must be known. */
static sib_str string_of(lowering *l, size_t i, const char *what)
{
    const sib_tensor *t = m_content(l, strings_in(l, i, what));
    if (t && l_ok(l) && t->count != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "%s has %llu strings, expected one", what, (unsigned long long)t->count);
    return t && l_ok(l) ? *(const sib_str *)t->data : (sib_str){"", 0};
}

/* ---- One result for each string -------------------------------------------------------------------------- */

/* Z = X and Y, of the same dims, concatenated. ai.onnx.contrib StringConcat-1. */
void lower_CONTRIB_StringConcat(lowering *l, const node *n)
{
    (void)n;
    mval x = strings_in(l, 0, "X"), y = strings_in(l, 1, "Y");
    if (!elem_same_dims(l, x, y))
        l_fail(l, SIB_ERR_ARGUMENT, "X and Y have different dims");
    l_out(l, 0, m_add(l, x, y));
}

/* Whether X and Y are equal, broadcast. ai.onnx.contrib StringEqual-1. */
void lower_CONTRIB_StringEqual(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_equal(l, strings_in(l, 0, "X"), strings_in(l, 1, "Y")));
}

/* X with the letters a to z in upper case. ai.onnx.contrib StringUpper-1. */
void lower_CONTRIB_StringUpper(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_ascii_upper(l, strings_in(l, 0, "X")));
}

/* X in lower case. ai.onnx.contrib StringLower-1. */
void lower_CONTRIB_StringLower(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_string_case(l, strings_in(l, 0, "X"), false));
}

/* The number of characters. ai.onnx.contrib StringLength-1. */
void lower_CONTRIB_StringLength(lowering *l, const node *n)
{
    (void)n;
    l_out(l, 0, m_string_length(l, strings_in(l, 0, "X")));
}

/* X without white space of ASCII at both ends; unchanged where there is nothing else. ai.onnx.contrib
   StringStrip-1. */
void lower_CONTRIB_StringStrip(lowering *l, const node *n)
{
    (void)n;
    mval x = strings_in(l, 0, "X");
    regex_edit_spec ends = {.pattern = str_of("\\A[ \\t\\n\\r\\f\\v]+|[ \\t\\n\\r\\f\\v]+\\z"),
                            .global_replace = true};
    mval y = m_regex_replace(l, x, &ends);
    mval empty = m_equal(l, y, m_reshape(l, m_strings(l, 1, &(sib_str){"", 0}), 0, NULL));
    l_out(l, 0, m_where(l, empty, x, y));
}

static void replace_matches(lowering *l, const node *n, bool ecma)
{
    regex_edit_spec edit = spec_regex_edit(n);
    mval x = strings_in(l, 0, "text");
    elem_declare(l, SIB_STRING);
    edit.ecma = ecma;
    edit.pattern = string_of(l, 1, "pattern");
    edit.rewrite = string_of(l, 2, "rewrite");
    if (l_ok(l) && !edit.pattern.length)
        l_fail(l, SIB_ERR_ARGUMENT, "pattern is empty");
    l_out(l, 0, m_regex_replace(l, x, &edit));
}

/* X with the first or all matches of a pattern of RE2's syntax replaced. ai.onnx.contrib
   StringRegexReplace-1. */
void lower_CONTRIB_StringRegexReplace(lowering *l, const node *n)
{
    replace_matches(l, n, false);
}

/* X with the first or all matches of a pattern of ECMAScript's syntax replaced, byte by byte. ai.onnx.contrib
   StringECMARegexReplace-1. */
void lower_CONTRIB_StringECMARegexReplace(lowering *l, const node *n)
{
    replace_matches(l, n, true);
}

/* A hash of each string, modulo num_buckets. */
static void hash_buckets(lowering *l, int64_t seed, bool tail)
{
    mval x = strings_in(l, 0, "input");
    dim dims[SIB_MAX_RANK];
    elem_declare(l, SIB_I64);
    int rank = m_dims(l, x, dims);
    if (!l_ok(l))
        return;
    l_declare(l, 0, SIB_I64, rank, dims);
    mval count = elem_scalar(l, l_in(l, 1), "num_buckets");
    elem_demand(l, m_less(l, m_scalar_int(l, SIB_I64, 0), count), "num_buckets is not above 0");
    l_out(l, 0, m_cast(l, m_mod(l, m_murmur64(l, x, seed, tail), m_cast(l, count, SIB_U64)), SIB_I64));
}

/* MurmurHash64A, as onnxruntime-extensions computes it, modulo num_buckets: unlike Appleby's and TensorFlow's it mixes in a tail
   of no bytes. ai.onnx.contrib StringToHashBucket-1. */
void lower_CONTRIB_StringToHashBucket(lowering *l, const node *n)
{
    (void)n;
    hash_buckets(l, INT64_C(0xdecafcaffe), true);
}

/* The same of libstdc++'s std::hash, as onnxruntime-extensions computes it since it left FarmHash. ai.onnx.contrib
   StringToHashBucketFast-1. */
void lower_CONTRIB_StringToHashBucketFast(lowering *l, const node *n)
{
    (void)n;
    hash_buckets(l, 0xc70f6907, false);
}

/* ---- Joining and splitting ------------------------------------------------------------------------------- */

/* Max strings joined to one. */
#define JOIN_MAX 4096

/* The strings along an axis with a separator between them; [1] of a list or scalar. ai.onnx.contrib
   StringJoin-1. */
void lower_CONTRIB_StringJoin(lowering *l, const node *n)
{
    (void)n;
    mval x = strings_in(l, 0, "X");
    dim dims[SIB_MAX_RANK], unknown[SIB_MAX_RANK];
    elem_declare(l, SIB_STRING);
    int rank = m_dims(l, x, dims);
    for (int i = 0; i < rank; i++)
        unknown[i] = rank > 1 ? DIM_NONE : d_const(l, 1);
    l_declare(l, 0, SIB_STRING, rank > 1 ? rank - 1 : rank, unknown);
    if (l_ok(l) && rank == 0) {
        l_out(l, 0, m_unsqueeze(l, x, 0));
        return;
    }
    mval separator = elem_scalar(l, strings_in(l, 1, "sep"), "sep");
    int64_t axis = m_int(l, l_in(l, 2));
    if (l_ok(l) && (axis < 0 || axis >= rank))
        l_fail(l, SIB_ERR_ARGUMENT, "axis is %lld, expected 0 to %d", (long long)axis, rank - 1);
    int64_t count = l_ok(l) ? m_size(l, x, (int)axis) : 0;
    if (l_ok(l) && count > JOIN_MAX)
        l_fail(l, SIB_ERR_SIZE, "joining %lld strings, at most %d are supported", (long long)count, JOIN_MAX);
    mval joined = MVAL_NONE;
    for (int64_t i = 0; i < count && l_ok(l); i++) {
        mval item = m_squeeze(l, m_slice_numbers(l, x, (int)axis, i, 1), (int)axis);
        joined = i ? m_add(l, m_add(l, joined, separator), item) : item;
    }
    if (!count && l_ok(l)) {
        memmove(dims + axis, dims + axis + 1, sizeof *dims * (size_t)(rank - 1 - axis));
        mval empty = m_reshape(l, m_strings(l, 1, &(sib_str){"", 0}), 0, NULL);
        joined = m_filled(l, empty, (size_t)rank - 1, dims);
    }
    l_out(l, 0, rank == 1 ? m_unsqueeze(l, joined, 0) : joined);
}

/* The words of X [n] between the characters of sep, as a sparse matrix: row and column of each, the words,
   the dims. With skip_empty empty words are left out; an empty string has none. ai.onnx.contrib
   StringSplit-1. */
void lower_CONTRIB_StringSplit(lowering *l, const node *n)
{
    (void)n;
    mval x = strings_in(l, 0, "X"), parts[2];
    dim two = d_const(l, 2);
    l_declare(l, 0, SIB_I64, 2, (dim[]){DIM_NONE, two});
    l_declare(l, 1, SIB_STRING, 1, (dim[]){DIM_NONE});
    l_declare(l, 2, SIB_I64, 1, &two);
    if (l_ok(l) && m_rank(l, x) != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "X has rank %d, expected 1", m_rank(l, x));
    sib_str separators = string_of(l, 1, "sep");
    mval skip = elem_scalar(l, l_in(l, 2), "skip_empty");
    if (!elem_takes(l, skip, "skip_empty", ELEM(SIB_BOOL)))
        return;
    char class[512];
    size_t used = 0;
    for (size_t i = 0; i < separators.length && used + 8 < sizeof class; i++)
        used += (size_t)snprintf(class + used, sizeof class - used, "%s\\x%02x", i ? "" : "[",
                                 (unsigned char)separators.data[i]);
    bool fits = separators.length > 0 && used + 8 < sizeof class;
    for (size_t i = 0; i < separators.length; i++)
        fits = fits && (unsigned char)separators.data[i] < 0x80;
    if (l_ok(l) && !fits)
        l_fail(l, SIB_ERR_UNSUPPORTED, "sep must be 1 to 120 characters of ASCII");
    if (!l_ok(l))
        return;
    sib_str one = {separators.data, 1};
    mval marked = x;
    if (separators.length > 1) {
        memcpy(class + used, "]", 2);
        regex_edit_spec edit = {.pattern = str_of(class), .rewrite = one, .global_replace = true};
        if (one.data[0] == '\\')
            edit.rewrite = str_of("\\\\");
        marked = m_regex_replace(l, x, &edit);
    }
    m_string_split(l, marked, one, -1, parts);
    mval empty = m_reshape(l, m_strings(l, 1, &(sib_str){"", 0}), 0, NULL);
    mval at = m_less(l, m_iota(l, SIB_I64, m_dim(l, parts[0], 1)), m_unsqueeze(l, parts[1], 1));
    mval kept = m_and(l, at, m_not(l, m_unsqueeze(l, m_equal(l, x, empty), 1)));
    kept = m_and(l, kept, m_or(l, m_not(l, skip), m_not(l, m_equal(l, parts[0], empty))));
    mval counts = m_cumulative(l, MILLI_cumulative_sum, m_cast(l, kept, SIB_I64), 1); /* [n, columns] */
    mval where = m_swap(l, m_nonzero(l, kept), 0, 1);                                 /* [m, 2] */
    mval column = m_add(l, m_gather_nd(l, counts, where, 0), m_scalar_int(l, SIB_I64, -1));
    mval row = m_slice_numbers(l, where, 1, 0, 1);
    mval none = m_scalar_int(l, SIB_I64, 0);
    mval widest = m_reduce(l, MILLI_reduce_max, counts, 0, NULL, DROP_DIMS);
    l_out(l, 0, m_concat(l, 2, (mval[]){row, m_unsqueeze(l, column, 1)}, 1));
    l_out(l, 1, m_gather_nd(l, parts[0], where, 0));
    l_out(l, 2, m_stack(l, 2, (mval[]){m_dim_scalar(l, m_dim(l, x, 0)), m_max(l, widest, none)}, 0));
}

static void split_at_matches(lowering *l, const node *n, bool ecma)
{
    regex_edit_spec edit = spec_regex_edit(n);
    mval x = strings_in(l, 0, "text"), out[4];
    dim unknown = DIM_NONE;
    for (size_t i = 0; i < 4; i++)
        l_declare(l, i, i ? SIB_I64 : SIB_STRING, 1, &unknown);
    if (l_ok(l) && m_rank(l, x) != 1)
        l_fail(l, SIB_ERR_ARGUMENT, "text has rank %d, expected 1", m_rank(l, x));
    edit.ecma = ecma;
    edit.pattern = string_of(l, 1, "pattern");
    edit.keep = (sib_str){"", 0};
    const sib_tensor *given = m_content(l, strings_in(l, 2, "keep_pattern"));
    if (l_ok(l) && given && given->count > 1)
        l_fail(l, SIB_ERR_ARGUMENT, "keep_pattern has %llu strings, expected at most one",
               (unsigned long long)given->count);
    if (l_ok(l) && !edit.pattern.length)
        l_fail(l, SIB_ERR_ARGUMENT, "pattern is empty");
    if (l_ok(l) && given && given->count)
        edit.keep = *(const sib_str *)given->data;
    m_regex_split(l, x, &edit, out);
    for (size_t i = 0; i < 4; i++)
        l_out(l, i, out[i]);
}

/* The words of text [n] between matches of the first group of a pattern of RE2's syntax, and those matches
   that are entirely the keep pattern; in bytes, where each begins and ends in its string; the first word of
   each string, and their number. ai.onnx.contrib StringRegexSplitWithOffsets-1. */
void lower_CONTRIB_StringRegexSplitWithOffsets(lowering *l, const node *n)
{
    split_at_matches(l, n, false);
}

/* The same between matches of a pattern of ECMAScript's syntax, byte by byte. ai.onnx.contrib
   StringECMARegexSplitWithOffsets-1. */
void lower_CONTRIB_StringECMARegexSplitWithOffsets(lowering *l, const node *n)
{
    split_at_matches(l, n, true);
}

/* ---- Tables ---------------------------------------------------------------------------------------------- */

/* Attribute map: lines of a key, a tab and a value. Where a key comes twice its last line counts, so lines are
   held in reverse. */
typedef struct string_table {
    size_t n;
    sib_str *keys, *values; /* (n) */
} string_table;

/* Cuts the text before the next byte of `ends` off *rest; false after the last that is not empty. */
static bool next_word(sib_str *rest, char end, sib_str *word)
{
    while (rest->length && *rest->data == end)
        *rest = str_from(*rest, 1);
    const char *at = rest->length ? memchr(rest->data, end, rest->length) : NULL;
    *word = (sib_str){rest->data, at ? (size_t)(at - rest->data) : rest->length};
    *rest = str_from(*rest, word->length);
    return word->length > 0;
}

static string_table read_table(lowering *l, sib_str map)
{
    string_table t = {0};
    sib_str rest = map, line;
    size_t lines = 0;
    while (next_word(&rest, '\n', &line))
        lines++;
    t.keys = arena_alloc(l->graph->arena, lines + 1, sizeof *t.keys);
    t.values = arena_alloc(l->graph->arena, lines + 1, sizeof *t.values);
    if (!t.keys || !t.values) {
        l_fail(l, SIB_ERR_MEMORY, "no memory for %zu lines of attribute map", lines);
        return t;
    }
    if (!lines)
        l_fail(l, SIB_ERR_ARGUMENT, "attribute map is empty");
    rest = map;
    for (size_t i = lines; i > 0 && next_word(&rest, '\n', &line); i--) {
        sib_str more;
        if (!next_word(&line, '\t', &t.keys[i - 1]) || !next_word(&line, '\t', &t.values[i - 1]) ||
            next_word(&line, '\t', &more)) {
            l_fail(l, SIB_ERR_ARGUMENT, "line %zu of attribute map is not a key, a tab and a value",
                   lines - i + 1);
            return t;
        }
    }
    t.n = lines;
    return t;
}

/* Where x is a key its value, else itself. ai.onnx.contrib StringMapping-1. */
void lower_CONTRIB_StringMapping(lowering *l, const node *n)
{
    mval x = strings_in(l, 0, "X");
    string_table t = read_table(l, spec_string_map(n).map);
    if (!l_ok(l))
        return;
    mval at = m_lookup(l, x, m_strings(l, t.n, t.keys)), none = m_scalar_int(l, SIB_I64, 0);
    mval mapped = m_gather(l, m_strings(l, t.n, t.values), m_max(l, at, none), 0);
    l_out(l, 0, m_where(l, m_less(l, at, none), x, mapped));
}

/* The integers of a text, separated by blanks; fails where their number is not *n, which is set where it is
   0. */
static void read_integers(lowering *l, sib_str text, size_t *n, size_t capacity, int64_t *out)
{
    sib_str rest = text, word;
    size_t count = 0;
    char digits[24], *end;
    for (; next_word(&rest, ' ', &word); count++) {
        if (count == capacity || word.length >= sizeof digits) {
            l_fail(l, SIB_ERR_ARGUMENT, "'%.*s' is no integer, or one of too many", (int)word.length,
                   word.data);
            return;
        }
        memcpy(digits, word.data, word.length);
        digits[word.length] = '\0';
        out[count] = strtoll(digits, &end, 10);
        if (*end)
            l_fail(l, SIB_ERR_ARGUMENT, "'%s' is no integer", digits);
    }
    if (l_ok(l) && (!count || (*n && count != *n)))
        l_fail(l, SIB_ERR_ARGUMENT, "a line of attribute map or unk has %zu integers, expected %zu", count,
               *n ? *n : 1);
    *n = *n ? *n : count;
}

/* Max integers for a string. */
#define VECTOR_MAX 1024

/* The vectors of a table as int64 [lines, *n], and of unk, where given, as a last row. */
static mval vectors_of(lowering *l, const sib_str *texts, size_t lines, const sib_str *unk, size_t *n)
{
    int64_t row[VECTOR_MAX];
    *n = 0;
    if (l_ok(l))
        read_integers(l, texts[0], n, VECTOR_MAX, row);
    size_t rows = lines + (unk ? 1 : 0), total;
    if (!l_ok(l) || __builtin_mul_overflow(rows, *n, &total))
        return MVAL_NONE;
    int64_t *all = arena_alloc(l->graph->arena, total, sizeof *all);
    if (!all)
        return l_fail(l, SIB_ERR_MEMORY, "no memory for %zu integers", total);
    for (size_t i = 0; i < rows && l_ok(l); i++)
        read_integers(l, i < lines ? texts[i] : *unk, n, *n, all + i * *n);
    return l_ok(l) ? m_reshape_numbers(l, m_int64s(l, total, all), 2, (int64_t[]){(int64_t)rows, (int64_t)*n})
                   : MVAL_NONE;
}

/* The vector of integers of each string, or unk's: [..., n]. ai.onnx.contrib StringToVector-1. */
void lower_CONTRIB_StringToVector(lowering *l, const node *n)
{
    string_map_spec spec = spec_string_map(n);
    mval x = strings_in(l, 0, "X");
    size_t width;
    elem_declare(l, SIB_I64);
    string_table t = read_table(l, spec.map);
    if (!l_ok(l))
        return;
    mval vectors = vectors_of(l, t.values, t.n, &spec.unk, &width);
    mval at = m_lookup(l, x, m_strings(l, t.n, t.keys));
    mval last = m_scalar_int(l, SIB_I64, (int64_t)t.n);
    at = m_where(l, m_less(l, at, m_scalar_int(l, SIB_I64, 0)), last, at);
    l_out(l, 0, m_gather(l, vectors, at, 0));
}

/* The string of each vector [..., n] of integers, or unk; of vectors of one integer X may be a list of these.
   ai.onnx.contrib VectorToString-1. */
void lower_CONTRIB_VectorToString(lowering *l, const node *n)
{
    string_map_spec spec = spec_string_map(n);
    mval x = l_in(l, 0);
    size_t width = 0;
    if (!elem_takes(l, x, "X", ELEM(SIB_I64)))
        return;
    elem_declare(l, SIB_STRING);
    string_table t = read_table(l, spec.map);
    mval vectors = l_ok(l) ? vectors_of(l, t.values, t.n, NULL, &width) : MVAL_NONE;
    int rank = m_rank(l, x);
    int64_t given;
    if (!l_ok(l))
        return;
    if (width == 1 && rank <= 1)
        x = m_unsqueeze(l, x, -1);
    else if (!rank || (dim_is_const(l->graph->dims, m_dim(l, x, -1), &given) && (size_t)given != width)) {
        l_fail(l, SIB_ERR_ARGUMENT, "X must have vectors of %zu integers along its last axis", width);
        return;
    }
    mval same = m_reduce_axis(l, MILLI_reduce_min, m_equal(l, m_unsqueeze(l, x, -2), vectors), -1, DROP_DIMS);
    mval found = m_reduce_axis(l, MILLI_reduce_max, same, -1, DROP_DIMS); /* [...] */
    mval at = m_arg(l, MILLI_arg_max, m_cast(l, same, SIB_I64), -1, false, DROP_DIMS);
    mval unk = m_reshape(l, m_strings(l, 1, &spec.unk), 0, NULL);
    l_out(l, 0, m_where(l, found, m_gather(l, m_strings(l, t.n, t.keys), at, 0), unk));
}
