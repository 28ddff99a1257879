/* Reads functions in ONNX's textual syntax (onnx/defs/parser.h), by recursive descent, straight to protobuf:

     <domain: "my.dom", opset_import: ["" : 20]>
     Scale <alpha, beta: float = 1.0> (x, y) => (z)
     {
         c = Constant <value = float[1] {2.0}> ()
         t = Mul (x, c)
         z = Gemm <alpha: float = @alpha> (t, y)
     } */
#include "onnx/text_function.h"

#include "base/alloc.h"
#include "base/names.h"
#include "base/size.h"
#include "onnx/proto.h"
#include "onnx/text_lex.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct parser {
    text_lexer l;
    /* names that a body may read: of the function, and of each graph that is being read inside it */
    name_map names[TEXT_FUNCTION_DEPTH + 1];
    unsigned depth;      /* of the innermost graph; 0: the function */
    name_map domains;    /* imported */
    name_map attributes; /* of the function */
    sib_str domain;
} parser;

/* ---- Protobuf --------------------------------------------------------------------------------------------- */

static void put_varint(parser *p, byte_buffer *b, uint64_t n)
{
    char bytes[10];
    size_t count = 0;
    for (; n > 127; n >>= 7)
        bytes[count++] = (char)(n | 128);
    bytes[count++] = (char)n;
    buf_add(b, bytes, count, p->l.err);
}

static void put_number(parser *p, byte_buffer *b, uint32_t field, int64_t n)
{
    put_varint(p, b, (uint64_t)field << 3);
    put_varint(p, b, (uint64_t)n);
}

static void put_bytes(parser *p, byte_buffer *b, uint32_t field, sib_str s)
{
    put_varint(p, b, (uint64_t)field << 3 | 2);
    put_varint(p, b, s.length);
    buf_add_str(b, s, p->l.err);
}

/* Adds a message and frees it. */
static void put_message(parser *p, byte_buffer *b, uint32_t field, byte_buffer *message)
{
    put_bytes(p, b, field, buf_str(message));
    if (b->code == SIB_OK)
        b->code = message->code;
    buf_free(message);
    if (b->code != SIB_OK)
        text_no_memory(&p->l);
}

/* ---- Names ------------------------------------------------------------------------------------------------ */

static text_word take_name(parser *p, const char *what)
{
    text_word word = p->l.word;
    if (word.kind != TEXT_NAME && word.kind != TEXT_STRING)
        text_fail(&p->l, word.at, "expected %s", what);
    else if (word.text.length > TEXT_FUNCTION_NAME)
        text_fail(&p->l, word.at, "a name has %zu bytes, expected at most %d", word.text.length,
                  TEXT_FUNCTION_NAME);
    return text_next(&p->l);
}

static bool is_known(const parser *p, sib_str name)
{
    uint32_t ignored;
    bool found = false;
    for (unsigned i = 0; i <= p->depth && !found; i++)
        found = name_map_find(&p->names[i], name, &ignored);
    return found;
}

static void define(parser *p, text_word word)
{
    uint32_t ignored;
    if (p->l.code != SIB_OK || !word.text.length)
        return;
    if (name_map_find(&p->names[p->depth], word.text, &ignored))
        text_fail(&p->l, word.at, "'%.*s' is defined twice", (int)word.text.length, word.text.data);
    else if (!name_map_put(&p->names[p->depth], word.text, 1))
        text_no_memory(&p->l);
}

/* Arguments for "%.*s". */
#define WORD(word) (int)(word).text.length, (word).text.data

/* ---- Numbers and tensors ------------------------------------------------------------------------------------ */

/* Numbers or strings between brackets: (n) in the arena, doubled as they come. */
typedef struct word_list {
    text_word *words;
    size_t n, capacity;
} word_list;

static bool is_item(const text_word *w)
{
    return w->kind == TEXT_INT || w->kind == TEXT_FLOAT || w->kind == TEXT_STRING ||
           (w->kind == TEXT_NAME &&
            (str_is(w->text, "inf") || str_is(w->text, "nan") || str_is(w->text, "infinity")));
}

static void add_word(parser *p, word_list *list, text_word word)
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

static void take_items(parser *p, char end, word_list *list)
{
    while (p->l.code == SIB_OK && !text_is(&p->l, end)) {
        if (!is_item(&p->l.word))
            text_fail(&p->l, p->l.word.at, "expected a number, a string or '%c'", end);
        else
            add_word(p, list, text_next(&p->l));
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, end);
}

static int64_t integer(parser *p, text_word word)
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

/* Converts words to a tensor of their number. */
static sib_tensor *tensor_of_words(parser *p, const word_list *list, sib_dtype dtype, size_t at)
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
static bool take_shape(parser *p, byte_buffer *b, size_t *rank, int64_t numbers[SIB_MAX_RANK])
{
    *rank = 0;
    if (!text_take(&p->l, '['))
        return false;
    while (p->l.code == SIB_OK && !text_is(&p->l, ']')) {
        byte_buffer dim = {0};
        text_word word = text_next(&p->l);
        bool none = word.kind == TEXT_MARK && *word.text.data == '?';
        int64_t n = word.kind == TEXT_INT ? integer(p, word) : -1;
        if (*rank == SIB_MAX_RANK)
            text_fail(&p->l, word.at, "more than %d dims", SIB_MAX_RANK);
        else if (word.kind == TEXT_INT && n < 0)
            text_fail(&p->l, word.at, "a dim of %lld", (long long)n);
        else if (!none && word.kind != TEXT_INT && word.kind != TEXT_NAME)
            text_fail(&p->l, word.at, "expected a dim: a number, a name or ?");
        else
            numbers[(*rank)++] = n;
        if (n >= 0)
            put_number(p, &dim, DIMENSION_VALUE, n);
        else if (!none)
            put_bytes(p, &dim, DIMENSION_PARAM, word.text);
        if (b)
            put_message(p, b, SHAPE_DIM, &dim);
        buf_free(&dim);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, ']');
    return true;
}

static bool is_dtype(const parser *p)
{
    return p->l.word.kind == TEXT_NAME && dtype_named(p->l.word.text) != SIB_DTYPE_UNKNOWN;
}

/* The rest of "float[2] {1, 2}" after its dtype, as a TensorProto. */
static void take_tensor(parser *p, text_word type, byte_buffer *out)
{
    int64_t dims[SIB_MAX_RANK], count = 1;
    size_t rank, bytes = 0;
    word_list list = {0};
    bool shaped = take_shape(p, NULL, &rank, dims);
    if (p->l.word.kind == TEXT_NAME || p->l.word.kind == TEXT_STRING) {
        put_bytes(p, out, TENSOR_NAME, text_next(&p->l).text);
        text_take(&p->l, '=');
    }
    size_t at = p->l.word.at;
    text_expect(&p->l, '{');
    take_items(p, '}', &list);
    for (size_t i = 0; i < rank; i++)
        if (dims[i] < 0 || !i64_mul(count, dims[i], &count))
            text_fail(&p->l, type.at, "the dims of a tensor are numbers");
    if (shaped && (size_t)count != list.n)
        text_fail(&p->l, at, "%zu elements, expected %lld", list.n, (long long)count);
    sib_dtype dtype = dtype_named(type.text);
    sib_tensor *t = tensor_of_words(p, &list, dtype, at);
    for (size_t i = 0; i < rank; i++)
        put_number(p, out, TENSOR_DIMS, dims[i]);
    if (!shaped && list.n != 1)
        put_number(p, out, TENSOR_DIMS, (int64_t)list.n);
    put_number(p, out, TENSOR_DATA_TYPE, dtype);
    if (t && dtype != SIB_STRING && size_mul(list.n, sib_dtype_bits(dtype), &bytes))
        put_bytes(p, out, TENSOR_RAW_DATA, (sib_str){sib_tensor_data(t), (bytes + 7) / 8});
    for (size_t i = 0; t && dtype == SIB_STRING && i < list.n; i++)
        put_bytes(p, out, TENSOR_STRING_DATA, list.words[i].text);
    sib_tensor_free(&t);
}

/* ---- Values with types --------------------------------------------------------------------------------------- */

/* "float[N] x" or "x" as a ValueInfoProto. initial: receives the TensorProto of "float[2] x = {1, 2}", which is
   taken where it is not NULL. Returns the name. */
static text_word take_value(parser *p, byte_buffer *out, byte_buffer *initial)
{
    byte_buffer tensor = {0}, shape = {0}, type = {0};
    int64_t dims[SIB_MAX_RANK];
    size_t rank;
    text_lexer before = p->l;
    if (is_dtype(p)) {
        text_word word = text_next(&p->l);
        put_number(p, &tensor, TENSOR_TYPE_ELEM, dtype_named(word.text));
        if (take_shape(p, &shape, &rank, dims))
            put_message(p, &tensor, TENSOR_TYPE_SHAPE, &shape);
        put_message(p, &type, TYPE_PROTO_TENSOR, &tensor);
        put_message(p, out, INFO_TYPE, &type);
    }
    text_word name = take_name(p, "a name, or a tensor's type and a name");
    put_bytes(p, out, INFO_NAME, name.text);
    if (initial && text_is(&p->l, '=')) {
        p->l = before; /* again, as a tensor */
        take_tensor(p, text_next(&p->l), initial);
    }
    buf_free(&shape);
    buf_free(&tensor);
    buf_free(&type);
    return name;
}

/* ---- Bodies -------------------------------------------------------------------------------------------------- */

static void take_node(parser *p, byte_buffer *out);

static void take_nodes(parser *p, byte_buffer *out, uint32_t field)
{
    text_expect(&p->l, '{');
    while (p->l.code == SIB_OK && !text_is(&p->l, '}')) {
        byte_buffer node = {0};
        take_node(p, &node);
        put_message(p, out, field, &node);
    }
    text_expect(&p->l, '}');
}

/* A list of outputs must be computed by the body before it. */
static void check_outputs(parser *p, const word_list *outputs)
{
    for (size_t i = 0; i < outputs->n; i++)
        if (p->l.code == SIB_OK && !is_known(p, outputs->words[i].text))
            text_fail(&p->l, outputs->words[i].at, "output '%.*s' is not computed", WORD(outputs->words[i]));
}

/* "(float[N] x, y) => (z) <float[2] w = {1, 2}> { ... }" after a graph's name. */
static void take_graph(parser *p, text_word name, byte_buffer *out)
{
    word_list outputs = {0};
    if (p->depth == TEXT_FUNCTION_DEPTH) {
        text_fail(&p->l, name.at, "graphs are nested more than %d deep", TEXT_FUNCTION_DEPTH);
        return;
    }
    p->depth++;
    put_bytes(p, out, GRAPH_NAME, name.text);
    for (int side = 0; side < 2 && p->l.code == SIB_OK; side++) {
        if (side && text_next(&p->l).kind != TEXT_ARROW)
            text_fail(&p->l, p->l.word.at, "expected '=>' and the outputs of the graph");
        text_expect(&p->l, '(');
        while (p->l.code == SIB_OK && !text_is(&p->l, ')')) {
            byte_buffer value = {0};
            text_word v = take_value(p, &value, NULL);
            put_message(p, out, side ? GRAPH_OUTPUT : GRAPH_INPUT, &value);
            if (side)
                add_word(p, &outputs, v);
            else
                define(p, v);
            if (!text_take(&p->l, ','))
                break;
        }
        text_expect(&p->l, ')');
    }
    while (text_is(&p->l, '<') || text_is(&p->l, ',')) {
        byte_buffer value = {0}, initial = {0};
        text_next(&p->l);
        text_word v = take_value(p, &value, &initial);
        if (initial.n) {
            define(p, v);
            put_message(p, out, GRAPH_INITIALIZER, &initial);
        } else
            put_message(p, out, GRAPH_VALUE_INFO, &value);
        buf_free(&value);
        buf_free(&initial);
        if (!text_is(&p->l, ','))
            text_expect(&p->l, '>');
    }
    take_nodes(p, out, GRAPH_NODE);
    check_outputs(p, &outputs);
    name_map_clear(&p->names[p->depth--]);
}

/* ---- Attributes ------------------------------------------------------------------------------------------------ */

/* Numbers of AttributeProto.AttributeType. */
enum { KIND_FLOAT = 1, KIND_INT, KIND_STRING, KIND_TENSOR, KIND_GRAPH, KIND_FLOATS, KIND_INTS, KIND_STRINGS };

static int kind_named(sib_str name)
{
    static const char *const names[] = {"float", "int",    "string", "tensor",
                                        "graph", "floats", "ints",   "strings"};
    for (int i = 0; i < 8; i++)
        if (str_is(name, names[i]))
            return i + 1;
    return 0;
}

/* A list of floats or ints, or a single one where the kind is below KIND_FLOATS. */
static void put_items(parser *p, byte_buffer *out, const word_list *list, int kind, size_t at)
{
    bool strings = kind == KIND_STRING || kind == KIND_STRINGS, ints = kind == KIND_INT || kind == KIND_INTS;
    sib_tensor *floats = strings || ints ? NULL : tensor_of_words(p, list, SIB_F32, at);
    for (size_t i = 0; i < list->n && p->l.code == SIB_OK; i++) {
        if (strings && list->words[i].kind != TEXT_STRING)
            text_fail(&p->l, list->words[i].at, "expected a string");
        else if (strings)
            put_bytes(p, out, kind == KIND_STRING ? ATTRIBUTE_S : ATTRIBUTE_STRINGS, list->words[i].text);
        else if (ints)
            put_number(p, out, kind == KIND_INT ? ATTRIBUTE_I : ATTRIBUTE_INTS, integer(p, list->words[i]));
        else {
            put_varint(p, out, (kind == KIND_FLOAT ? ATTRIBUTE_F : ATTRIBUTE_FLOATS) << 3 | 5);
            buf_add(out, (const char *)sib_tensor_data(floats) + 4 * i, 4, p->l.err);
        }
    }
    sib_tensor_free(&floats);
}

static int kind_of_items(const word_list *list)
{
    bool strings = list->n && list->words[0].kind == TEXT_STRING, floats = false;
    for (size_t i = 0; i < list->n; i++)
        floats |= list->words[i].kind == TEXT_FLOAT || list->words[i].kind == TEXT_NAME;
    return strings ? KIND_STRING : floats ? KIND_FLOAT : KIND_INT;
}

/* A name after "=": a tensor or a graph. Returns its kind. */
static int take_named_value(parser *p, byte_buffer *out)
{
    byte_buffer value = {0};
    bool tensor = is_dtype(p);
    text_word word = text_next(&p->l);
    if (tensor && !text_is(&p->l, '('))
        take_tensor(p, word, &value);
    else if (text_is(&p->l, '('))
        take_graph(p, word, &value);
    else
        text_fail(&p->l, word.at, "expected a number, a string, a list, a tensor, a graph or @attribute");
    tensor = tensor && p->l.code == SIB_OK && value.n;
    put_message(p, out, tensor ? ATTRIBUTE_T : ATTRIBUTE_G, &value);
    return tensor ? KIND_TENSOR : KIND_GRAPH;
}

static int take_value_of(parser *p, byte_buffer *out, int wanted)
{
    word_list list = {0};
    size_t at = p->l.word.at;
    uint32_t ignored;
    int kind;
    if (text_take(&p->l, '@')) {
        text_word ref = take_name(p, "the name of an attribute of the function");
        if (p->l.code == SIB_OK && !name_map_find(&p->attributes, ref.text, &ignored))
            text_fail(&p->l, ref.at, "the function has no attribute '%.*s'", WORD(ref));
        if (!wanted)
            text_fail(&p->l, at, "a reference needs the attribute's type: name: float = @%.*s", WORD(ref));
        put_bytes(p, out, ATTRIBUTE_REF, ref.text);
        return wanted;
    }
    if (text_take(&p->l, '[')) {
        take_items(p, ']', &list);
        kind = kind_of_items(&list) + KIND_FLOATS - KIND_FLOAT;
        if (!list.n && !wanted)
            text_fail(&p->l, at, "an empty list needs a type: name: ints = []");
    } else if (is_item(&p->l.word) && !(p->l.word.kind == TEXT_NAME && is_dtype(p))) {
        add_word(p, &list, text_next(&p->l));
        kind = kind_of_items(&list);
    } else
        return take_named_value(p, out);
    bool widens = (kind == KIND_INT && wanted == KIND_FLOAT) || (kind == KIND_INTS && wanted == KIND_FLOATS);
    if (widens || (kind >= KIND_FLOATS && !list.n && wanted >= KIND_FLOATS))
        kind = wanted;
    put_items(p, out, &list, kind, at);
    return kind;
}

/* "name = value", "name: type = value", "name: type = @attribute"; in the head of a function also "name", which
   then has no default. Returns the name, and whether there is a value in *valued. */
static text_word take_attribute(parser *p, byte_buffer *out, bool *valued)
{
    text_word name = take_name(p, "the name of an attribute");
    int wanted = 0;
    if (text_take(&p->l, ':')) {
        text_word type = take_name(p, "the type of an attribute");
        wanted = kind_named(type.text);
        if (!wanted && p->l.code == SIB_OK)
            text_fail(&p->l, type.at,
                      "there is no type '%.*s' of attributes: float, int, string, tensor, graph, floats, "
                      "ints or strings",
                      WORD(type));
    }
    put_bytes(p, out, ATTRIBUTE_NAME, name.text);
    *valued = text_take(&p->l, '=');
    if (!*valued)
        return name;
    size_t at = p->l.word.at;
    int kind = take_value_of(p, out, wanted);
    if (wanted && kind != wanted && p->l.code == SIB_OK)
        text_fail(&p->l, at, "attribute '%.*s' is not of the type that it declares", WORD(name));
    put_number(p, out, ATTRIBUTE_TYPE, kind);
    return name;
}

static void take_attributes(parser *p, byte_buffer *out)
{
    if (!text_take(&p->l, '<'))
        return;
    while (p->l.code == SIB_OK && !text_is(&p->l, '>')) {
        byte_buffer a = {0};
        bool valued;
        text_word name = take_attribute(p, &a, &valued);
        if (!valued)
            text_fail(&p->l, name.at, "attribute '%.*s' has no value", WORD(name));
        put_message(p, out, NODE_ATTRIBUTE, &a);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, '>');
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */

/* "my.dom.Foo": the last part is the type. */
static void take_type(parser *p, byte_buffer *out)
{
    text_word first = take_name(p, "an operator"), last = first;
    uint32_t ignored;
    while (text_take(&p->l, '.'))
        last = take_name(p, "an operator");
    size_t domain = last.at > first.at ? last.at - first.at - 1 : 0;
    sib_str name = {first.text.data, domain};
    if (str_is(name, "ai.onnx"))
        name.length = 0;
    if (p->l.code == SIB_OK && !name_map_find(&p->domains, name, &ignored))
        text_fail(&p->l, first.at, "domain '%.*s' is not in opset_import", (int)name.length, name.data);
    put_bytes(p, out, NODE_OP_TYPE, last.text);
    if (name.length)
        put_bytes(p, out, NODE_DOMAIN, name);
}

static void take_inputs(parser *p, byte_buffer *out)
{
    text_expect(&p->l, '(');
    while (p->l.code == SIB_OK && !text_is(&p->l, ')')) {
        bool omitted = text_is(&p->l, ',');
        text_word name = omitted ? (text_word){TEXT_NAME, {"", 0}, 0} : take_name(p, "an input");
        if (p->l.code == SIB_OK && name.text.length && !is_known(p, name.text))
            text_fail(&p->l, name.at, "'%.*s' is not defined before this node", WORD(name));
        put_bytes(p, out, NODE_INPUT, name.text);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, ')');
}

/* "y, z = Foo <axis = 1> (x)", the attributes before or after the inputs; perhaps "[name]" first. */
static void take_node(parser *p, byte_buffer *out)
{
    word_list outputs = {0};
    if (text_take(&p->l, '[')) {
        put_bytes(p, out, NODE_NAME, take_name(p, "the name of a node").text);
        text_expect(&p->l, ']');
    }
    do
        add_word(p, &outputs, take_name(p, "an output of a node, or '}'"));
    while (p->l.code == SIB_OK && text_take(&p->l, ','));
    text_expect(&p->l, '=');
    take_type(p, out);
    take_attributes(p, out);
    take_inputs(p, out);
    take_attributes(p, out);
    for (size_t i = 0; i < outputs.n; i++) {
        define(p, outputs.words[i]);
        put_bytes(p, out, NODE_OUTPUT, outputs.words[i].text);
    }
}

/* ---- Functions ------------------------------------------------------------------------------------------------------ */

static void import_domain(parser *p, byte_buffer *out, sib_str domain, int64_t version)
{
    byte_buffer opset = {0};
    if (str_is(domain, "ai.onnx"))
        domain = (sib_str){"", 0};
    if (!name_map_put(&p->domains, domain, 1))
        text_no_memory(&p->l);
    put_bytes(p, &opset, OPSET_DOMAIN, domain);
    put_number(p, &opset, OPSET_VERSION, version);
    put_message(p, out, FUNCTION_OPSET, &opset);
}

static void take_opsets(parser *p, byte_buffer *out)
{
    text_expect(&p->l, '[');
    while (p->l.code == SIB_OK && !text_is(&p->l, ']')) {
        text_word domain = take_name(p, "a domain as \"my.dom\" : 1");
        text_expect(&p->l, ':');
        text_word version = text_next(&p->l);
        int64_t number = integer(p, version);
        if (number < 1)
            text_fail(&p->l, version.at, "version %lld of a domain", (long long)number);
        import_domain(p, out, domain.text, number);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, ']');
}

/* <domain: "my.dom", opset_import: ["" : 20], doc_string: "..."> */
static void take_head(parser *p, byte_buffer *out)
{
    size_t at = p->l.word.at;
    uint32_t ignored;
    bool named = false;
    text_expect(&p->l, '<');
    while (p->l.code == SIB_OK && !text_is(&p->l, '>')) {
        text_word key = take_name(p, "domain, opset_import or doc_string");
        text_expect(&p->l, ':');
        if (str_is(key.text, "opset_import"))
            take_opsets(p, out);
        else if (str_is(key.text, "domain") || str_is(key.text, "doc_string")) {
            bool domain = *key.text.data == 'd' && key.text.length == 6;
            text_word value = take_name(p, "a string");
            put_bytes(p, out, domain ? FUNCTION_DOMAIN : FUNCTION_DOC, value.text);
            p->domain = domain ? value.text : p->domain;
            named |= domain;
        } else
            text_fail(&p->l, key.at, "functions have no '%.*s' here: domain, opset_import and doc_string",
                      WORD(key));
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, '>');
    if (!named || !p->domains.n)
        text_fail(&p->l, at, "the function has no %s", named ? "opset_import" : "domain");
    if (p->l.code == SIB_OK && !name_map_find(&p->domains, p->domain, &ignored))
        import_domain(p, out, p->domain, 1); /* it may call others of its own domain */
}

/* <alpha, beta: float = 1.0> after the function's name. */
static void take_parameters(parser *p, byte_buffer *out)
{
    uint32_t ignored;
    if (!text_take(&p->l, '<'))
        return;
    while (p->l.code == SIB_OK && !text_is(&p->l, '>')) {
        byte_buffer a = {0};
        bool valued;
        text_word name = take_attribute(p, &a, &valued);
        if (name_map_find(&p->attributes, name.text, &ignored))
            text_fail(&p->l, name.at, "attribute '%.*s' is declared twice", WORD(name));
        else if (!name_map_put(&p->attributes, name.text, 1))
            text_no_memory(&p->l);
        if (valued)
            put_message(p, out, FUNCTION_DEFAULT, &a);
        else
            put_bytes(p, out, FUNCTION_ATTRIBUTE, name.text);
        buf_free(&a);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, '>');
}

static void take_names(parser *p, byte_buffer *out, uint32_t field, word_list *list)
{
    text_expect(&p->l, '(');
    while (p->l.code == SIB_OK && !text_is(&p->l, ')')) {
        text_word name = take_name(p, "a name without a type");
        put_bytes(p, out, field, name.text);
        add_word(p, list, name);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, ')');
}

static void take_function(parser *p, byte_buffer *out, text_function *f)
{
    word_list inputs = {0}, outputs = {0};
    take_head(p, out);
    f->name = take_name(p, "the function's name").text;
    f->domain = str_is(p->domain, "ai.onnx") ? (sib_str){"", 0} : p->domain;
    put_bytes(p, out, FUNCTION_NAME, f->name);
    take_parameters(p, out);
    take_names(p, out, FUNCTION_INPUT, &inputs);
    for (size_t i = 0; i < inputs.n; i++)
        define(p, inputs.words[i]);
    if (p->l.code == SIB_OK && text_next(&p->l).kind != TEXT_ARROW)
        text_fail(&p->l, p->l.word.at, "expected '=>' and the outputs of the function");
    take_names(p, out, FUNCTION_OUTPUT, &outputs);
    take_nodes(p, out, FUNCTION_NODE);
    check_outputs(p, &outputs);
    if (out->code != SIB_OK)
        text_no_memory(&p->l);
    f->bytes = buf_str(out);
    name_map_clear(&p->names[0]);
    name_map_clear(&p->domains);
    name_map_clear(&p->attributes);
}

sib_code text_functions_read(sib_str text, const char *label, text_function_sink sink, void *context,
                             sib_error *err)
{
    parser p = {0};
    graph_arena *arena = NULL;
    if (text.length > TEXT_FUNCTION_BYTES)
        return err_set(err, SIB_ERR_SIZE, "%.80s: %zu bytes of text, expected at most %u", label, text.length,
                       TEXT_FUNCTION_BYTES);
    sib_code code = arena_create(&arena, err);
    if (code == SIB_OK)
        text_open(&p.l, label, text, arena, err);
    if (code == SIB_OK && p.l.word.kind == TEXT_END)
        code = text_fail(&p.l, 0, "there is no function");
    while (code == SIB_OK && p.l.word.kind != TEXT_END) {
        byte_buffer bytes = {0};
        text_function f = {{"", 0}, {"", 0}, {"", 0}};
        p.domain = (sib_str){"", 0};
        take_function(&p, &bytes, &f);
        code = p.l.code == SIB_OK ? sink(context, &f, err) : p.l.code;
        buf_free(&bytes);
    }
    arena_free(&arena);
    return code != SIB_OK ? code : p.l.code;
}
