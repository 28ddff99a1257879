#include "base/error.h"
#include "base/size.h"
#include "tensor/dtype.h"
#include "tensor/npy.h"
#include "tensor/shape.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Letter and bytes of a descriptor such as '<f4'. A type is written as its first row. */
static const struct {
    char letter;
    unsigned bytes;
    sib_dtype dtype;
} descriptors[] = {
    {'f', 4, SIB_F32},        {'f', 8, SIB_F64},    {'f', 2, SIB_F16},        {'i', 1, SIB_I8},
    {'i', 2, SIB_I16},        {'i', 4, SIB_I32},    {'i', 8, SIB_I64},        {'u', 1, SIB_U8},
    {'u', 2, SIB_U16},        {'u', 4, SIB_U32},    {'u', 8, SIB_U64},        {'b', 1, SIB_BOOL},
    {'c', 8, SIB_C64},        {'c', 16, SIB_C128},  {'V', 2, SIB_BF16},       {'V', 1, SIB_F8E4M3FN},
    {'V', 1, SIB_F8E4M3FNUZ}, {'V', 1, SIB_F8E5M2}, {'V', 1, SIB_F8E5M2FNUZ}, {'V', 1, SIB_F8E8M0},
    {'V', 1, SIB_F4E2M1},     {'V', 1, SIB_U4},     {'V', 1, SIB_I4},         {'V', 1, SIB_U2},
    {'V', 1, SIB_I2},         {'f', 1, SIB_F8E5M2}, /* as ml_dtypes writes it */
};

#define N_DESCRIPTORS (sizeof descriptors / sizeof *descriptors)

/* ---- Reading -------------------------------------------------------------------------------------- */

typedef struct cursor {
    const char *text;
    size_t n, at;
    uint64_t offset; /* of text, in the file */
    const char *name;
    sib_error *err;
} cursor;

static sib_code bad(const cursor *c, const char *expected)
{
    return err_set_at(c->err, SIB_ERR_FORMAT, c->offset + c->at, "%s: header is malformed, expected %s",
                      c->name, expected);
}

static int peek(const cursor *c)
{
    return c->at < c->n ? (unsigned char)c->text[c->at] : -1;
}

static void skip(cursor *c)
{
    while (peek(c) == ' ' || peek(c) == '\t' || peek(c) == '\n' || peek(c) == '\r')
        c->at++;
}

static bool take(cursor *c, char wanted)
{
    skip(c);
    bool found = peek(c) == wanted;
    c->at += found;
    return found;
}

static bool take_word(cursor *c, const char *word)
{
    size_t length = strlen(word);
    skip(c);
    bool found = c->n - c->at >= length && memcmp(c->text + c->at, word, length) == 0;
    c->at += found ? length : 0;
    return found;
}

/* Reads a quoted string without escapes into out (size). */
static sib_code read_quoted(cursor *c, char *out, size_t size, const char *expected)
{
    skip(c);
    int quote = peek(c);
    if (quote != '\'' && quote != '"')
        return bad(c, expected);
    size_t start = ++c->at;
    while (peek(c) != quote && peek(c) != -1 && peek(c) != '\\' && peek(c) != '\n')
        c->at++;
    size_t length = c->at - start;
    if (peek(c) != quote || length >= size)
        return bad(c, expected);
    memcpy(out, c->text + start, length);
    out[length] = '\0';
    c->at++;
    return SIB_OK;
}

/* Reads decimal digits as a number up to INT64_MAX. */
static bool read_digits(cursor *c, int64_t *out)
{
    size_t start = c->at;
    for (*out = 0; peek(c) >= '0' && peek(c) <= '9'; c->at++)
        if (!i64_mul(*out, 10, out) || !i64_add(*out, peek(c) - '0', out))
            return false;
    return c->at > start;
}

static sib_code read_shape(cursor *c, npy_header *out)
{
    bool comma = true;
    if (!take(c, '('))
        return bad(c, "a tuple as shape");
    for (out->rank = 0; !take(c, ')'); out->rank++) {
        int64_t dim;
        if (!comma)
            return bad(c, "',' or ')' after a dim");
        if (out->rank == SIB_MAX_RANK)
            return err_set_at(c->err, SIB_ERR_UNSUPPORTED, c->offset + c->at, "%s: rank is above %d", c->name,
                              SIB_MAX_RANK);
        skip(c);
        if (!read_digits(c, &dim))
            return bad(c, "a dim from 0 to 2^63 - 1");
        c->at += peek(c) == 'L'; /* Python 2 wrote an L */
        out->dims[out->rank] = dim;
        comma = take(c, ',');
    }
    return out->rank == 1 && !comma ? bad(c, "',' in a tuple of one dim") : SIB_OK;
}

static sib_code unsupported(const cursor *c, const char *descr)
{
    return err_set_at(c->err, SIB_ERR_UNSUPPORTED, c->offset + c->at, "%s: arrays of '%s' are not supported",
                      c->name, descr);
}

/* Reads a descriptor such as '<f4': byte order, letter, bytes (for 'U': characters). */
static sib_code read_descr(cursor *c, npy_header *out)
{
    char descr[32];
    skip(c);
    if (peek(c) == '[' || peek(c) == '(')
        return unsupported(c, "structured type");
    size_t start = c->at;
    sib_code code = read_quoted(c, descr, sizeof descr, "a type such as '<f4'");
    if (code != SIB_OK)
        return code;
    const char *s = descr;
    bool ordered = *s && strchr("<>|=", *s);
    out->swapped = *s == '>';
    s += ordered;
    char letter = *s ? *s++ : '\0';
    if (letter && strchr("OMmgG", letter))
        return unsupported(c, descr);
    cursor digits = {.text = s, .n = strlen(s)};
    int64_t bytes;
    if (!letter || !read_digits(&digits, &bytes) || digits.at != digits.n) {
        c->at = start;
        return bad(c, "a type such as '<f4'");
    }
    out->layout = letter == 'U' ? NPY_UTF32 : letter == 'S' || letter == 'a' ? NPY_BYTES : NPY_NUMBERS;
    if (out->layout != NPY_NUMBERS) {
        if (!i64_mul(bytes, out->layout == NPY_UTF32 ? 4 : 1, &bytes) || bytes > UINT32_MAX)
            return bad(c, "strings below 2^32 bytes");
        out->dtype = SIB_STRING;
        out->item = (size_t)bytes;
        return SIB_OK;
    }
    for (size_t i = 0; i < N_DESCRIPTORS; i++) {
        if (descriptors[i].letter != letter || descriptors[i].bytes != bytes)
            continue;
        /* A comment may name the type of a one-byte 'V'. */
        out->opaque = letter == 'V';
        out->dtype = out->opaque && bytes == 1 ? SIB_U8 : descriptors[i].dtype;
        out->item = (size_t)bytes;
        return SIB_OK;
    }
    return strchr("fiucbV", letter) ? unsupported(c, descr) : bad(c, "a known type");
}

/* Reads the comment that npy_format writes after the dictionary for types that NumPy does not know. */
static void read_comment(cursor *c, npy_header *out)
{
    char name[32];
    size_t length = 0;
    skip(c);
    while (length + 1 < sizeof name && peek(c) > ' ')
        name[length++] = c->text[c->at++];
    name[length] = '\0';
    sib_dtype dtype = sib_dtype_from_name(name);
    for (size_t i = 0; out->opaque && i < N_DESCRIPTORS; i++)
        if (descriptors[i].dtype == dtype && descriptors[i].letter == 'V' &&
            descriptors[i].bytes == out->item)
            out->dtype = dtype;
    while (peek(c) != '\n' && peek(c) != -1)
        c->at++;
}

/* Reads one "key: value". seen: one bit per key found. */
static sib_code read_item(cursor *c, unsigned *seen, npy_header *out)
{
    static const char *const keys[] = {"descr", "fortran_order", "shape"};
    char key[16];
    sib_code code = read_quoted(c, key, sizeof key, "'descr', 'fortran_order' or 'shape'");
    unsigned k = 0;
    while (code == SIB_OK && k < 3 && strcmp(key, keys[k]) != 0)
        k++;
    if (code != SIB_OK)
        return code;
    if (k == 3 || (*seen & 1u << k))
        return bad(c, "'descr', 'fortran_order' and 'shape', each once");
    *seen |= 1u << k;
    if (!take(c, ':'))
        return bad(c, "':' after a key");
    if (k == 0)
        return read_descr(c, out);
    if (k == 2)
        return read_shape(c, out);
    out->fortran = take_word(c, "True");
    return out->fortran || take_word(c, "False") ? SIB_OK : bad(c, "True or False");
}

sib_code npy_parse(const char *text, size_t n, uint64_t offset, const char *name, npy_header *out,
                   sib_error *err)
{
    cursor c = {.text = text, .n = n, .offset = offset, .name = name, .err = err};
    unsigned seen = 0;
    bool comma = true;
    memset(out, 0, sizeof *out);
    if (!take(&c, '{'))
        return bad(&c, "a dictionary");
    while (!take(&c, '}')) {
        if (!comma)
            return bad(&c, "',' or '}'");
        sib_code code = read_item(&c, &seen, out);
        if (code != SIB_OK)
            return code;
        comma = take(&c, ',');
    }
    if (seen != 7)
        return bad(&c, "'descr', 'fortran_order' and 'shape'");
    if (take(&c, '#'))
        read_comment(&c, out);
    skip(&c);
    return c.at == n ? SIB_OK : bad(&c, "nothing after the dictionary");
}

/* ---- Writing -------------------------------------------------------------------------------------- */

size_t npy_format(sib_dtype dtype, size_t item, size_t rank, const int64_t *dims, char out[NPY_HEADER_MAX])
{
    char text[NPY_HEADER_MAX], shape[SHAPE_TEXT];
    char letter = 'U';
    unsigned bytes = (unsigned)(item / 4);
    for (size_t i = N_DESCRIPTORS; i-- > 0;)
        if (descriptors[i].dtype == dtype) {
            letter = descriptors[i].letter;
            bytes = descriptors[i].bytes;
        }
    bool ordered = bytes > 1 || dtype == SIB_STRING;
    size_t length =
        (size_t)snprintf(text, sizeof text, "{'descr': '%c%c%u', 'fortran_order': False, 'shape': %s, }",
                         ordered ? '<' : '|', letter, bytes, shape_text(rank, dims, shape));
    if (letter == 'V')
        length += (size_t)snprintf(text + length, sizeof text - length, " # %s", sib_dtype_name(dtype));
    size_t before = NPY_MAGIC_BYTES + 4, total = size_ceil_div(before + length + 1, 64) * 64;
    size_t filled = total - before;
    memset(out, ' ', total);
    memcpy(out, NPY_MAGIC "\x01\x00", NPY_MAGIC_BYTES + 2);
    out[NPY_MAGIC_BYTES + 2] = (char)(filled & 0xFF);
    out[NPY_MAGIC_BYTES + 3] = (char)(filled >> 8);
    memcpy(out + before, text, length);
    out[total - 1] = '\n';
    return total;
}
