/* What functions in text are made of: names, protobuf, numbers, tensors, values with types. */
#include "onnx/text_parser.h"

#include "base/size.h"
#include "onnx/proto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- Protobuf --------------------------------------------------------------------------------------------- */

void text_put_varint(text_parser *p, byte_buffer *b, uint64_t n)
{
    char bytes[10];
    size_t count = 0;
    for (; n > 127; n >>= 7)
        bytes[count++] = (char)(n | 128);
    bytes[count++] = (char)n;
    buf_add(b, bytes, count, p->l.err);
}

void text_put_number(text_parser *p, byte_buffer *b, uint32_t field, int64_t n)
{
    text_put_varint(p, b, (uint64_t)field << 3);
    text_put_varint(p, b, (uint64_t)n);
}

void text_put_bytes(text_parser *p, byte_buffer *b, uint32_t field, sib_str s)
{
    text_put_varint(p, b, (uint64_t)field << 3 | 2);
    text_put_varint(p, b, s.length);
    buf_add_str(b, s, p->l.err);
}

void text_end_message(text_parser *p, byte_buffer *message)
{
    if (message->code != SIB_OK)
        text_no_memory(&p->l);
    buf_free(message);
}

void text_put_message(text_parser *p, byte_buffer *b, uint32_t field, byte_buffer *message)
{
    text_put_bytes(p, b, field, buf_str(message));
    text_end_message(p, message);
    if (b->code != SIB_OK)
        text_no_memory(&p->l);
}

/* ---- Names ------------------------------------------------------------------------------------------------ */

text_word text_take_name(text_parser *p, const char *what)
{
    text_word word = p->l.word;
    if (word.kind != TEXT_NAME && word.kind != TEXT_STRING)
        text_fail(&p->l, word.at, "expected %s", what);
    else if (word.text.length > TEXT_FUNCTION_NAME)
        text_fail(&p->l, word.at, "a name has %zu bytes, expected at most %d", word.text.length,
                  TEXT_FUNCTION_NAME);
    return text_next(&p->l);
}

bool text_is_known(const text_parser *p, sib_str name)
{
    uint32_t ignored;
    bool found = false;
    for (unsigned i = 0; i <= p->depth && !found; i++)
        found = name_map_find(&p->names[i], name, &ignored);
    return found;
}

void text_define(text_parser *p, text_word word)
{
    uint32_t ignored;
    if (p->l.code != SIB_OK || !word.text.length)
        return;
    if (name_map_find(&p->names[p->depth], word.text, &ignored))
        text_fail(&p->l, word.at, "'%.*s' is defined twice", (int)word.text.length, word.text.data);
    else if (!name_map_put(&p->names[p->depth], word.text, 1))
        text_no_memory(&p->l);
}

/* ---- Numbers and tensors ------------------------------------------------------------------------------------ */

bool text_is_item(const text_word *w)
{
    return w->kind == TEXT_INT || w->kind == TEXT_FLOAT || w->kind == TEXT_STRING ||
           (w->kind == TEXT_NAME &&
            (str_is(w->text, "inf") || str_is(w->text, "nan") || str_is(w->text, "infinity")));
}

void text_add_word(text_parser *p, word_list *list, text_word word)
{
    if (list->n == list->capacity) {
        size_t more = list->capacity ? 2 * list->capacity : 8;
        text_word *grown = arena_alloc(p->l.arena, more, sizeof *grown);
        if (!grown) {
            text_no_memory(&p->l);
            return;
        }
        if (list->n)
            memcpy(grown, list->words, list->n * sizeof *grown);
        list->words = grown;
        list->capacity = more;
    }
    list->words[list->n++] = word;
}

void text_take_items(text_parser *p, char end, word_list *list)
{
    while (p->l.code == SIB_OK && !text_is(&p->l, end)) {
        if (!text_is_item(&p->l.word))
            text_fail(&p->l, p->l.word.at, "expected a number, a string or '%c'", end);
        else
            text_add_word(p, list, text_next(&p->l));
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, end);
}

int64_t text_integer(text_parser *p, text_word word)
{
    char digits[32], *end;
    if (p->l.code != SIB_OK)
        return 0;
    snprintf(digits, sizeof digits, "%.*s", (int)(word.text.length < 31 ? word.text.length : 31),
             word.text.data);
    errno = 0;
    long long n = strtoll(digits, &end, 10);
    if (word.kind != TEXT_INT || errno || *end || word.text.length > 30)
        text_fail(&p->l, word.at, "expected an integer of 64 bits");
    return n;
}

sib_tensor *text_tensor(text_parser *p, const word_list *list, sib_dtype dtype, size_t at)
{
    sib_tensor *texts = NULL, *out = NULL;
    sib_error why = SIB_ERROR_INIT;
    int64_t n = (int64_t)list->n;
    sib_code code = p->l.code == SIB_OK ? sib_tensor_create(SIB_STRING, 1, &n, &texts, &why) : p->l.code;
    for (int64_t i = 0; i < n && code == SIB_OK; i++) {
        if ((list->words[i].kind == TEXT_STRING) != (dtype == SIB_STRING))
            code = text_fail(&p->l, list->words[i].at, "expected an element of %s", sib_dtype_name(dtype));
        else
            code = sib_tensor_set_string(texts, &i, list->words[i].text, &why);
    }
    if (code == SIB_OK && dtype == SIB_STRING)
        return texts;
    if (code == SIB_OK)
        code = sib_tensor_convert(texts, dtype, SIB_OVERFLOW_IEEE, &out, &why);
    sib_tensor_free(&texts);
    if (code == SIB_ERR_MEMORY)
        text_no_memory(&p->l);
    else if (code != SIB_OK)
        text_fail(&p->l, at, "%s", why.message);
    return out;
}

/* The names of ONNX's dtypes are Sibyl's but for two. */
static sib_dtype dtype_named(sib_str name)
{
    char text[32];
    if (str_is(name, "float"))
        return SIB_F32;
    if (str_is(name, "double"))
        return SIB_F64;
    if (name.length >= sizeof text)
        return SIB_DTYPE_UNKNOWN;
    snprintf(text, sizeof text, "%.*s", (int)name.length, name.data);
    return sib_dtype_from_name(text);
}

/* "[2, N, ?]" after a dtype. numbers: (*rank) of them, -1 for one that is none. b: receives the dims of a
   TensorShapeProto, or NULL. Returns false where there are no brackets. */
static bool take_shape(text_parser *p, byte_buffer *b, size_t *rank, int64_t numbers[SIB_MAX_RANK])
{
    *rank = 0;
    if (!text_take(&p->l, '['))
        return false;
    while (p->l.code == SIB_OK && !text_is(&p->l, ']')) {
        byte_buffer dim = {0};
        text_word word = text_next(&p->l);
        bool none = word.kind == TEXT_MARK && *word.text.data == '?';
        int64_t n = word.kind == TEXT_INT ? text_integer(p, word) : -1;
        if (*rank == SIB_MAX_RANK)
            text_fail(&p->l, word.at, "more than %d dims", SIB_MAX_RANK);
        else if (word.kind == TEXT_INT && n < 0)
            text_fail(&p->l, word.at, "a dim of %lld", (long long)n);
        else if (!none && word.kind != TEXT_INT && word.kind != TEXT_NAME)
            text_fail(&p->l, word.at, "expected a dim: a number, a name or ?");
        else
            numbers[(*rank)++] = n;
        if (n >= 0)
            text_put_number(p, &dim, DIMENSION_VALUE, n);
        else if (!none)
            text_put_bytes(p, &dim, DIMENSION_PARAM, word.text);
        if (b)
            text_put_message(p, b, SHAPE_DIM, &dim);
        text_end_message(p, &dim);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, ']');
    return true;
}

bool text_is_dtype(const text_parser *p)
{
    return p->l.word.kind == TEXT_NAME && dtype_named(p->l.word.text) != SIB_DTYPE_UNKNOWN;
}

void text_take_tensor(text_parser *p, text_word type, byte_buffer *out)
{
    int64_t dims[SIB_MAX_RANK], count = 1;
    size_t rank, bytes = 0;
    word_list list = {0};
    bool shaped = take_shape(p, NULL, &rank, dims);
    if (p->l.word.kind == TEXT_NAME || p->l.word.kind == TEXT_STRING) {
        text_put_bytes(p, out, TENSOR_NAME, text_next(&p->l).text);
        text_take(&p->l, '=');
    }
    size_t at = p->l.word.at;
    text_expect(&p->l, '{');
    text_take_items(p, '}', &list);
    for (size_t i = 0; i < rank; i++)
        if (dims[i] < 0 || !i64_mul(count, dims[i], &count))
            text_fail(&p->l, type.at, "the dims of a tensor are numbers");
    if (shaped && (size_t)count != list.n)
        text_fail(&p->l, at, "%zu elements, expected %lld", list.n, (long long)count);
    sib_dtype dtype = dtype_named(type.text);
    sib_tensor *t = text_tensor(p, &list, dtype, at);
    for (size_t i = 0; i < rank; i++)
        text_put_number(p, out, TENSOR_DIMS, dims[i]);
    if (!shaped && list.n != 1)
        text_put_number(p, out, TENSOR_DIMS, (int64_t)list.n);
    text_put_number(p, out, TENSOR_DATA_TYPE, dtype);
    if (t && dtype != SIB_STRING && size_mul(list.n, sib_dtype_bits(dtype), &bytes))
        text_put_bytes(p, out, TENSOR_RAW_DATA, (sib_str){sib_tensor_data(t), (bytes + 7) / 8});
    for (size_t i = 0; t && dtype == SIB_STRING && i < list.n; i++)
        text_put_bytes(p, out, TENSOR_STRING_DATA, list.words[i].text);
    sib_tensor_free(&t);
}

/* ---- Values with types --------------------------------------------------------------------------------------- */

text_word text_take_value(text_parser *p, byte_buffer *out, byte_buffer *initial)
{
    byte_buffer tensor = {0}, shape = {0}, type = {0};
    int64_t dims[SIB_MAX_RANK];
    size_t rank;
    text_lexer before = p->l;
    if (text_is_dtype(p)) {
        text_word word = text_next(&p->l);
        text_put_number(p, &tensor, TENSOR_TYPE_ELEM, dtype_named(word.text));
        if (take_shape(p, &shape, &rank, dims))
            text_put_message(p, &tensor, TENSOR_TYPE_SHAPE, &shape);
        text_put_message(p, &type, TYPE_PROTO_TENSOR, &tensor);
        text_put_message(p, out, INFO_TYPE, &type);
    }
    text_word name = text_take_name(p, "a name, or a tensor's type and a name");
    text_put_bytes(p, out, INFO_NAME, name.text);
    if (initial && text_is(&p->l, '=')) {
        p->l = before; /* again, as a tensor */
        text_take_tensor(p, text_next(&p->l), initial);
    }
    text_end_message(p, &shape);
    text_end_message(p, &tensor);
    text_end_message(p, &type);
    return name;
}
