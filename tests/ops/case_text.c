#include "case_text.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    sib_dtype dtype;
} short_names[] = {
    {"f32", SIB_F32},
    {"f64", SIB_F64},
    {"f16", SIB_F16},
    {"bf16", SIB_BF16},
    {"i8", SIB_I8},
    {"i16", SIB_I16},
    {"i32", SIB_I32},
    {"i64", SIB_I64},
    {"u8", SIB_U8},
    {"u16", SIB_U16},
    {"u32", SIB_U32},
    {"u64", SIB_U64},
    {"bool", SIB_BOOL},
    {"str", SIB_STRING},
    {"c64", SIB_C64},
    {"c128", SIB_C128},
    {"f8e4m3fn", SIB_F8E4M3FN},
    {"f8e4m3fnuz", SIB_F8E4M3FNUZ},
    {"f8e5m2", SIB_F8E5M2},
    {"f8e5m2fnuz", SIB_F8E5M2FNUZ},
    {"f8e8m0", SIB_F8E8M0},
    {"f4e2m1", SIB_F4E2M1},
    {"u4", SIB_U4},
    {"i4", SIB_I4},
    {"u2", SIB_U2},
    {"i2", SIB_I2},
};
#define N_SHORT_NAMES (sizeof short_names / sizeof *short_names)

sib_dtype case_dtype(const char *name, size_t length)
{
    for (size_t i = 0; i < N_SHORT_NAMES; i++)
        if (strlen(short_names[i].name) == length && !memcmp(short_names[i].name, name, length))
            return short_names[i].dtype;
    return SIB_DTYPE_UNKNOWN;
}

const char *case_dtype_name(sib_dtype dtype)
{
    for (size_t i = 0; i < N_SHORT_NAMES; i++)
        if (short_names[i].dtype == dtype)
            return short_names[i].name;
    return "?";
}

/* ---- Words -------------------------------------------------------------------------------------------- */

bool cursor_fails(cursor *c, const char *format, ...)
{
    if (c->err->code != SIB_OK)
        return false;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(c->err->message, sizeof c->err->message, format, args);
    va_end(args);
    c->err->code = SIB_ERR_FORMAT;
    int rest = (int)(c->end - c->at < 24 ? c->end - c->at : 24);
    if (n >= 0 && (size_t)n < sizeof c->err->message)
        snprintf(c->err->message + n, sizeof c->err->message - (size_t)n, " at '%.*s'", rest, c->at);
    return false;
}

static bool no_memory(cursor *c)
{
    return cursor_fails(c, "memory could not be had");
}

void cursor_blanks(cursor *c)
{
    while (c->at < c->end && isspace((unsigned char)*c->at))
        c->at++;
}

bool cursor_takes(cursor *c, const char *text)
{
    size_t n = strlen(text);
    cursor_blanks(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, text, n) != 0)
        return false;
    c->at += n;
    return true;
}

bool cursor_expects(cursor *c, const char *text)
{
    return cursor_takes(c, text) || cursor_fails(c, "'%s' expected", text);
}

sib_str cursor_word(cursor *c)
{
    cursor_blanks(c);
    const char *begin = c->at;
    while (c->at < c->end && (isalnum((unsigned char)*c->at) || *c->at == '_'))
        c->at++;
    return (sib_str){begin, (size_t)(c->at - begin)};
}

sib_str cursor_token(cursor *c, const char *ends)
{
    cursor_blanks(c);
    const char *begin = c->at;
    while (c->at < c->end && !isspace((unsigned char)*c->at) && !strchr(ends, *c->at))
        c->at++;
    return (sib_str){begin, (size_t)(c->at - begin)};
}

static int escaped(cursor *c)
{
    static const char from[] = "nt0\"\\", to[] = "\n\t\0\"\\";
    char letter = c->at < c->end ? *c->at++ : 0;
    const char *found = letter ? strchr(from, letter) : NULL;
    if (found)
        return (unsigned char)to[found - from];
    if (letter == 'x' && c->end - c->at >= 2 && isxdigit((unsigned char)c->at[0]) &&
        isxdigit((unsigned char)c->at[1])) {
        char hex[3] = {c->at[0], c->at[1], 0};
        c->at += 2;
        return (int)strtol(hex, NULL, 16);
    }
    return -1;
}

bool cursor_string(cursor *c, sib_str *out)
{
    if (!cursor_expects(c, "\""))
        return false;
    char *text = arena_alloc(c->arena, (size_t)(c->end - c->at) + 1, 1);
    size_t n = 0;
    if (!text)
        return no_memory(c);
    while (c->at < c->end && *c->at != '"') {
        int letter = (unsigned char)*c->at++;
        if (letter == '\\' && (letter = escaped(c)) < 0)
            return cursor_fails(c, "an escape that is not known");
        text[n++] = (char)letter;
    }
    *out = (sib_str){text, n};
    return cursor_expects(c, "\"");
}

bool cursor_dtype(cursor *c, sib_dtype *out)
{
    const char *begin = c->at;
    sib_str word = cursor_word(c);
    for (size_t i = 0; i < c->n_variables; i++)
        if (str_same(c->variables[i].name, word)) {
            *out = c->variables[i].dtype;
            return true;
        }
    *out = case_dtype(word.data, word.length);
    if (*out)
        return true;
    c->at = begin;
    return cursor_fails(c, "a dtype expected");
}

/* An integer that takes all of s, in the range of int64 or else of uint64. */
static bool whole(sib_str s, bool *negative, uint64_t *magnitude)
{
    char text[32], *end;
    if (!s.length || s.length >= sizeof text)
        return false;
    memcpy(text, s.data, s.length);
    text[s.length] = 0;
    *negative = text[0] == '-';
    const char *digits = text + (*negative || text[0] == '+');
    bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    if (!isdigit((unsigned char)digits[0]))
        return false;
    errno = 0;
    *magnitude = strtoull(digits, &end, hex ? 16 : 10);
    return !errno && !*end;
}

static bool whole_i64(sib_str s, int64_t *out)
{
    bool negative;
    uint64_t n;
    if (!whole(s, &negative, &n) || n > (uint64_t)INT64_MAX + negative)
        return false;
    *out = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

bool cursor_int(cursor *c, int64_t *out)
{
    return whole_i64(cursor_token(c, ",;]}"), out) || cursor_fails(c, "a whole number expected before");
}

/* ---- Tensors ------------------------------------------------------------------------------------------ */

#define ELEMENTS_MAX 1000000

typedef struct elements {
    sib_str *items; /* (capacity) */
    uint64_t n, capacity;
} elements;

static bool add_element(cursor *c, elements *e, sib_str s)
{
    if (e->n == e->capacity)
        return cursor_fails(c, "more than %llu elements", (unsigned long long)e->capacity);
    e->items[e->n++] = s;
    return true;
}

/* One element, or with `all` that one for all that are left. */
static bool add_elements(cursor *c, elements *e, sib_str s, bool all)
{
    do {
        if (!add_element(c, e, s))
            return false;
    } while (all && e->n < e->capacity);
    return true;
}

/* lo..hi */
static bool add_range(cursor *c, elements *e, sib_str token, const char *dots)
{
    int64_t low, high;
    sib_str first = {token.data, (size_t)(dots - token.data)};
    sib_str last = {dots + 2, token.length - first.length - 2};
    if (!whole_i64(first, &low) || !whole_i64(last, &high) || low > high || high - low >= ELEMENTS_MAX)
        return cursor_fails(c, "a range of whole numbers upward expected before");
    for (int64_t i = low; i <= high; i++) {
        char text[32];
        bool ok = true;
        int n = snprintf(text, sizeof text, "%lld", (long long)i);
        sib_str s = arena_string(c->arena, (sib_str){text, (size_t)n}, &ok);
        if (!ok || !add_element(c, e, s))
            return ok ? false : no_memory(c);
    }
    return true;
}

/* A number or boolean word; integers are checked for range. */
static bool number_token(cursor *c, sib_dtype dtype, sib_str *token)
{
    sib_dtype_kind kind = sib_dtype_get_kind(dtype);
    unsigned bits = sib_dtype_bits(dtype);
    bool negative;
    uint64_t n;
    if (!token->length)
        return cursor_fails(c, "an element expected");
    if (kind == SIB_KIND_BOOL && (str_is(*token, "true") || str_is(*token, "false"))) {
        *token = str_of(token->data[0] == 't' ? "1" : "0");
        return true;
    }
    if (kind != SIB_KIND_INT && kind != SIB_KIND_UINT && kind != SIB_KIND_BOOL)
        return true;
    bool ok = whole(*token, &negative, &n);
    if (ok && kind == SIB_KIND_INT)
        ok = n <= (UINT64_C(1) << (bits - 1)) - !negative;
    else if (ok)
        ok = (!negative || n == 0) && (kind == SIB_KIND_BOOL ? n <= 1 : bits == 64 || n >> bits == 0);
    return ok || cursor_fails(c, "'%.*s' is no %s; after it", (int)token->length, token->data,
                              sib_dtype_name(dtype));
}

static bool add_number(cursor *c, sib_dtype dtype, elements *e)
{
    bool all = false;
    const char *before = c->at;
    if (cursor_takes(c, "all") && c->at < c->end && isspace((unsigned char)*c->at))
        all = true;
    else
        c->at = before;
    sib_str token = cursor_token(c, ",;}"), s = token;
    const char *dots = NULL;
    for (size_t i = 0; i + 1 < token.length && !dots; i++)
        if (token.data[i] == '.' && token.data[i + 1] == '.')
            dots = token.data + i;
    if (dots)
        return add_range(c, e, token, dots);
    if (!number_token(c, dtype, &s))
        return false;
    return add_elements(c, e, s, all);
}

static bool add_string(cursor *c, elements *e)
{
    sib_str s;
    bool all = cursor_takes(c, "all");
    if (!cursor_string(c, &s))
        return false;
    return add_elements(c, e, s, all);
}

static bool ends_here(cursor *c)
{
    cursor_blanks(c);
    return c->at == c->end || *c->at == ',' || *c->at == '}';
}

static bool read_elements(cursor *c, sib_dtype dtype, size_t rank, const int64_t *dims, uint64_t count,
                          sib_tensor **out)
{
    sib_tensor *texts = NULL;
    elements e = {arena_alloc(c->arena, (size_t)count + 1, sizeof(sib_str)), 0, count};
    if (!e.items)
        return no_memory(c);
    while (!ends_here(c))
        if (!(dtype == SIB_STRING ? add_string(c, &e) : add_number(c, dtype, &e)))
            return false;
    if (e.n != count)
        return cursor_fails(c, "%llu elements, %llu expected", (unsigned long long)e.n,
                            (unsigned long long)count);
    sib_code code = sib_tensor_wrap(SIB_STRING, rank, dims, NULL, e.items, NULL, NULL, &texts, c->err);
    if (code == SIB_OK)
        code = dtype == SIB_STRING ? sib_tensor_copy(texts, out, c->err)
                                   : sib_tensor_convert(texts, dtype, SIB_OVERFLOW_IEEE, out, c->err);
    sib_tensor_free(&texts);
    return code == SIB_OK;
}

static bool read_dims(cursor *c, size_t *rank, int64_t *dims, uint64_t *count)
{
    *rank = 0;
    *count = 1;
    if (!cursor_expects(c, "["))
        return false;
    while (!cursor_takes(c, "]")) {
        if (*rank == SIB_MAX_RANK)
            return cursor_fails(c, "more than %d dims", SIB_MAX_RANK);
        if (*rank && !cursor_expects(c, ","))
            return false;
        if (!cursor_int(c, &dims[*rank]))
            return false;
        if (dims[*rank] < 0)
            return cursor_fails(c, "a negative dim before");
        if (dims[*rank] && *count > ELEMENTS_MAX / (uint64_t)dims[*rank])
            return cursor_fails(c, "more than %d elements", ELEMENTS_MAX);
        *count *= (uint64_t)dims[(*rank)++];
    }
    return true;
}

bool cursor_tensor(cursor *c, bool braced, sib_tensor **out, bool *any)
{
    sib_dtype dtype;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    uint64_t count;
    *out = NULL;
    if (!cursor_dtype(c, &dtype) || !read_dims(c, &rank, dims, &count))
        return false;
    if (braced) {
        if (!cursor_expects(c, "=") || !cursor_expects(c, "{"))
            return false;
    } else if (!cursor_takes(c, "=")) {
        if (count)
            return cursor_fails(c, "'=' expected");
        return sib_tensor_create(dtype, rank, dims, out, c->err) == SIB_OK;
    }
    if (any && cursor_takes(c, "?")) {
        *any = true;
        return sib_tensor_create(dtype, rank, dims, out, c->err) == SIB_OK;
    }
    if (!read_elements(c, dtype, rank, dims, count, out))
        return false;
    if (!braced || cursor_expects(c, "}"))
        return true;
    sib_tensor_free(out);
    return false;
}

/* ---- Values ------------------------------------------------------------------------------------------- */

#define NESTING_MAX 4

static bool read_value(cursor *c, unsigned depth, case_value *out);

/* seq:, opt: or a dtype: the type that an empty value would hold. */
bool cursor_type(cursor *c, value_type *out)
{
    type_kind wraps[NESTING_MAX];
    size_t n = 0;
    sib_dtype dtype;
    for (;; n++) {
        if (n == NESTING_MAX)
            return cursor_fails(c, "a type that nests too deep");
        if (cursor_takes(c, "seq:"))
            wraps[n] = TYPE_SEQUENCE;
        else if (cursor_takes(c, "opt:"))
            wraps[n] = TYPE_OPTIONAL;
        else
            break;
    }
    if (!cursor_dtype(c, &dtype))
        return false;
    *out = type_tensor(dtype);
    while (n)
        *out = type_wrap(wraps[--n], *out);
    return true;
}

static bool read_tensor_value(cursor *c, case_value *out)
{
    sib_tensor *t;
    if (!cursor_tensor(c, false, &t, &out->any))
        return false;
    out->type = type_tensor(sib_tensor_dtype(t));
    bool ok = sib_value_from_tensor(t, &out->value, c->err) == SIB_OK;
    sib_tensor_free(&t);
    return ok;
}

/* Reads values up to '}', at most (max). */
static bool read_items(cursor *c, unsigned depth, size_t max, case_value *items, size_t *n)
{
    for (*n = 0; !cursor_takes(c, "}"); ++*n) {
        if (*n == max)
            return cursor_fails(c, "more than %zu values in braces", max);
        if (*n && !cursor_expects(c, ","))
            return false;
        if (!read_value(c, depth + 1, &items[*n]))
            return false;
    }
    return true;
}

#define ITEMS_MAX 64

static bool make_value(cursor *c, type_kind kind, size_t n, const case_value *items, case_value *out)
{
    const sib_value *values[ITEMS_MAX];
    for (size_t i = 0; i < n; i++) {
        values[i] = items[i].value;
        out->any |= items[i].any;
    }
    if (kind == TYPE_MAP) {
        if (n != 2 || !sib_value_tensor(values[0]) || !sib_value_tensor(values[1]))
            return cursor_fails(c, "a map takes keys and values before");
        out->type = type_wrap(TYPE_MAP, items[1].type);
        out->type.key = items[0].type.dtype;
        return sib_value_map(sib_value_tensor(values[0]), sib_value_tensor(values[1]), &out->value, c->err) ==
               SIB_OK;
    }
    if (!n && !out->type.depth)
        return cursor_fails(c, "an empty value says what it would hold, as in seq:f32{} or none:f32, before");
    if (n)
        out->type = type_wrap(kind, items[0].type);
    if (kind == TYPE_SEQUENCE)
        return sib_value_sequence(n, values, &out->value, c->err) == SIB_OK;
    if (n > 1)
        return cursor_fails(c, "an optional holds one value before");
    return sib_value_optional(n ? values[0] : NULL, &out->value, c->err) == SIB_OK;
}

static bool read_wrapped(cursor *c, unsigned depth, type_kind kind, bool braces, case_value *out)
{
    case_value *items = arena_alloc(c->arena, ITEMS_MAX, sizeof *items);
    size_t n = 0;
    if (!items)
        return no_memory(c);
    bool ok = (!braces || read_items(c, depth, ITEMS_MAX, items, &n)) && make_value(c, kind, n, items, out);
    for (size_t i = 0; i < ITEMS_MAX; i++)
        sib_value_free(&items[i].value);
    return ok;
}

static bool read_value(cursor *c, unsigned depth, case_value *out)
{
    const char *begin;
    *out = (case_value){0};
    if (depth > NESTING_MAX)
        return cursor_fails(c, "a value that nests too deep");
    cursor_blanks(c);
    begin = c->at;
    if (cursor_takes(c, "_")) {
        out->omitted = true;
        return depth == 0 || cursor_fails(c, "nothing can be left out inside braces");
    }
    if (cursor_takes(c, "seq{"))
        return read_wrapped(c, depth, TYPE_SEQUENCE, true, out);
    if (cursor_takes(c, "opt{"))
        return read_wrapped(c, depth, TYPE_OPTIONAL, true, out);
    if (cursor_takes(c, "map{"))
        return read_wrapped(c, depth, TYPE_MAP, true, out);
    if (cursor_takes(c, "none:")) {
        if (!cursor_type(c, &out->type))
            return false;
        out->type = type_wrap(TYPE_OPTIONAL, out->type);
        return read_wrapped(c, depth, TYPE_OPTIONAL, false, out);
    }
    if (cursor_takes(c, "seq:")) {
        c->at = begin;
        return cursor_type(c, &out->type) && cursor_expects(c, "{") && cursor_expects(c, "}") &&
               read_wrapped(c, depth, TYPE_SEQUENCE, false, out);
    }
    return read_tensor_value(c, out);
}

bool cursor_value(cursor *c, case_value *out)
{
    if (!read_value(c, 0, out)) {
        sib_value_free(&out->value);
        return false;
    }
    cursor_blanks(c);
    return c->at == c->end || cursor_fails(c, "';' expected");
}

/* ---- Attributes --------------------------------------------------------------------------------------- */

#define LIST_MAX 4096

/* The number of an attribute: integers are ints, others floats. */
static bool read_number(cursor *c, bool *is_int, int64_t *i, float *f)
{
    char text[48], *end;
    sib_str token = cursor_token(c, ",;]");
    *is_int = whole_i64(token, i);
    if (*is_int) {
        *f = (float)*i;
        return true;
    }
    if (!token.length || token.length >= sizeof text)
        return cursor_fails(c, "a number expected");
    memcpy(text, token.data, token.length);
    text[token.length] = 0;
    *f = strtof(text, &end);
    return !*end || cursor_fails(c, "'%s' is no number; after it", text);
}

static bool read_list(cursor *c, attribute *out)
{
    size_t n = 0;
    bool ints = true, strings = false;
    int64_t *i = arena_alloc(c->arena, LIST_MAX, sizeof *i);
    float *f = arena_alloc(c->arena, LIST_MAX, sizeof *f);
    sib_str *s = arena_alloc(c->arena, LIST_MAX, sizeof *s);
    if (!i || !f || !s)
        return no_memory(c);
    for (; !cursor_takes(c, "]"); n++) {
        bool is_int = false;
        if (n == LIST_MAX)
            return cursor_fails(c, "more than %d items", LIST_MAX);
        if (n && !cursor_expects(c, ","))
            return false;
        cursor_blanks(c);
        bool quoted = c->at < c->end && *c->at == '"';
        if (n && quoted != strings)
            return cursor_fails(c, "strings and numbers in one list");
        strings = quoted;
        if (!(quoted ? cursor_string(c, &s[n]) : read_number(c, &is_int, &i[n], &f[n])))
            return false;
        ints = ints && is_int;
    }
    out->n = n;
    out->kind = strings ? ATTR_STRINGS : ints || !n ? ATTR_INTS : ATTR_FLOATS;
    if (strings)
        out->strings = s;
    else if (out->kind == ATTR_INTS)
        out->ints = i;
    else
        out->floats = f;
    return true;
}

static bool read_attribute_tensor(cursor *c, attribute *out)
{
    sib_tensor *t;
    if (!cursor_tensor(c, true, &t, NULL))
        return false;
    out->kind = ATTR_TENSOR;
    out->tensor = t;
    return arena_keep(c->arena, t, c->err) == SIB_OK;
}

bool cursor_attribute(cursor *c, attribute *out)
{
    static const struct {
        const char *text;
        attribute_kind kind;
    } empty[] = {{"ints[]", ATTR_INTS}, {"floats[]", ATTR_FLOATS}, {"strings[]", ATTR_STRINGS}};
    bool is_int, ok = true;
    int64_t i;
    float f;
    *out = (attribute){0};
    out->name = arena_string(c->arena, cursor_word(c), &ok);
    if (!ok)
        return no_memory(c);
    if (!out->name.length)
        return cursor_fails(c, "the name of an attribute expected");
    if (!cursor_expects(c, "="))
        return false;
    cursor_blanks(c);
    if (cursor_takes(c, "dtype:")) {
        sib_dtype dtype;
        out->kind = ATTR_INT;
        if (!cursor_dtype(c, &dtype))
            return false;
        out->i = dtype;
        return true;
    }
    if (cursor_takes(c, "graph:")) {
        out->kind = ATTR_GRAPH;
        return cursor_string(c, &out->s);
    }
    if (cursor_takes(c, "type:")) {
        value_type *type = arena_alloc(c->arena, 1, sizeof *type);
        out->kind = ATTR_TYPE;
        out->type = type;
        return type ? cursor_type(c, type) : no_memory(c);
    }
    for (size_t k = 0; k < sizeof empty / sizeof *empty; k++)
        if (cursor_takes(c, empty[k].text)) {
            out->kind = empty[k].kind;
            return true;
        }
    if (c->at < c->end && *c->at == '"') {
        out->kind = ATTR_STRING;
        return cursor_string(c, &out->s);
    }
    if (cursor_takes(c, "["))
        return read_list(c, out);
    const char *end = c->at;
    while (end < c->end && !isspace((unsigned char)*end) && *end != '[')
        end++;
    if (end < c->end && *end == '[')
        return read_attribute_tensor(c, out);
    if (!read_number(c, &is_int, &i, &f))
        return false;
    out->kind = is_int ? ATTR_INT : ATTR_FLOAT;
    if (is_int)
        out->i = i;
    else
        out->f = f;
    return true;
}
