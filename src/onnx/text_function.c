/* Reads functions in ONNX's textual syntax (onnx/defs/parser.h), by recursive descent, straight to protobuf:

     <domain: "my.dom", opset_import: ["" : 20]>
     Scale <alpha, beta: float = 1.0> (x, y) => (z)
     {
         c = Constant <value = float[1] {2.0}> ()
         t = Mul (x, c)
         z = Gemm <alpha: float = @alpha> (t, y)
     } */
#include "onnx/text_parser.h"

#include "onnx/proto.h"

/* ---- Bodies -------------------------------------------------------------------------------------------------- */

static void take_node(text_parser *p, byte_buffer *out);

static void take_nodes(text_parser *p, byte_buffer *out, uint32_t field)
{
    text_expect(&p->l, '{');
    while (p->l.code == SIB_OK && !text_is(&p->l, '}')) {
        byte_buffer node = {0};
        take_node(p, &node);
        text_put_message(p, out, field, &node);
    }
    text_expect(&p->l, '}');
}

/* A list of outputs must be computed by the body before it. */
static void check_outputs(text_parser *p, const word_list *outputs)
{
    for (size_t i = 0; i < outputs->n; i++)
        if (p->l.code == SIB_OK && !text_is_known(p, outputs->words[i].text))
            text_fail(&p->l, outputs->words[i].at, "output '%.*s' is not computed", WORD(outputs->words[i]));
}

/* "(float[N] x, y) => (z) <float[2] w = {1, 2}> { ... }" after a graph's name. */
static void take_graph(text_parser *p, text_word name, byte_buffer *out)
{
    word_list outputs = {0};
    if (p->depth == TEXT_FUNCTION_DEPTH) {
        text_fail(&p->l, name.at, "graphs are nested more than %d deep", TEXT_FUNCTION_DEPTH);
        return;
    }
    p->depth++;
    text_put_bytes(p, out, GRAPH_NAME, name.text);
    for (int side = 0; side < 2 && p->l.code == SIB_OK; side++) {
        if (side && text_next(&p->l).kind != TEXT_ARROW)
            text_fail(&p->l, p->l.word.at, "expected '=>' and the outputs of the graph");
        text_expect(&p->l, '(');
        while (p->l.code == SIB_OK && !text_is(&p->l, ')')) {
            byte_buffer value = {0};
            text_word v = text_take_value(p, &value, NULL);
            text_put_message(p, out, side ? GRAPH_OUTPUT : GRAPH_INPUT, &value);
            if (side)
                text_add_word(p, &outputs, v);
            else
                text_define(p, v);
            if (!text_take(&p->l, ','))
                break;
        }
        text_expect(&p->l, ')');
    }
    while (text_is(&p->l, '<') || text_is(&p->l, ',')) {
        byte_buffer value = {0}, initial = {0};
        text_next(&p->l);
        text_word v = text_take_value(p, &value, &initial);
        if (initial.n) {
            text_define(p, v);
            text_put_message(p, out, GRAPH_INITIALIZER, &initial);
        } else
            text_put_message(p, out, GRAPH_VALUE_INFO, &value);
        text_end_message(p, &value);
        text_end_message(p, &initial);
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
static void put_items(text_parser *p, byte_buffer *out, const word_list *list, int kind, size_t at)
{
    bool strings = kind == KIND_STRING || kind == KIND_STRINGS, ints = kind == KIND_INT || kind == KIND_INTS;
    sib_tensor *floats = strings || ints ? NULL : text_tensor(p, list, SIB_F32, at);
    for (size_t i = 0; i < list->n && p->l.code == SIB_OK; i++) {
        if (strings && list->words[i].kind != TEXT_STRING)
            text_fail(&p->l, list->words[i].at, "expected a string");
        else if (strings)
            text_put_bytes(p, out, kind == KIND_STRING ? ATTRIBUTE_S : ATTRIBUTE_STRINGS,
                           list->words[i].text);
        else if (ints)
            text_put_number(p, out, kind == KIND_INT ? ATTRIBUTE_I : ATTRIBUTE_INTS,
                            text_integer(p, list->words[i]));
        else {
            text_put_varint(p, out, (kind == KIND_FLOAT ? ATTRIBUTE_F : ATTRIBUTE_FLOATS) << 3 | 5);
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
static int take_named_value(text_parser *p, byte_buffer *out)
{
    byte_buffer value = {0};
    bool tensor = text_is_dtype(p);
    text_word word = text_next(&p->l);
    if (tensor && !text_is(&p->l, '('))
        text_take_tensor(p, word, &value);
    else if (text_is(&p->l, '('))
        take_graph(p, word, &value);
    else
        text_fail(&p->l, word.at, "expected a number, a string, a list, a tensor, a graph or @attribute");
    tensor = tensor && p->l.code == SIB_OK && value.n;
    text_put_message(p, out, tensor ? ATTRIBUTE_T : ATTRIBUTE_G, &value);
    return tensor ? KIND_TENSOR : KIND_GRAPH;
}

static int take_value_of(text_parser *p, byte_buffer *out, int wanted)
{
    word_list list = {0};
    size_t at = p->l.word.at;
    uint32_t ignored;
    int kind;
    if (text_take(&p->l, '@')) {
        text_word ref = text_take_name(p, "the name of an attribute of the function");
        if (p->l.code == SIB_OK && !name_map_find(&p->attributes, ref.text, &ignored))
            text_fail(&p->l, ref.at, "the function has no attribute '%.*s'", WORD(ref));
        if (!wanted)
            text_fail(&p->l, at, "a reference needs the attribute's type: name: float = @%.*s", WORD(ref));
        text_put_bytes(p, out, ATTRIBUTE_REF, ref.text);
        return wanted;
    }
    if (text_take(&p->l, '[')) {
        text_take_items(p, ']', &list);
        kind = kind_of_items(&list) + KIND_FLOATS - KIND_FLOAT;
        if (!list.n && !wanted)
            text_fail(&p->l, at, "an empty list needs a type: name: ints = []");
    } else if (text_is_item(&p->l.word) && !(p->l.word.kind == TEXT_NAME && text_is_dtype(p))) {
        text_add_word(p, &list, text_next(&p->l));
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
static text_word take_attribute(text_parser *p, byte_buffer *out, bool *valued)
{
    text_word name = text_take_name(p, "the name of an attribute");
    int wanted = 0;
    if (text_take(&p->l, ':')) {
        text_word type = text_take_name(p, "the type of an attribute");
        wanted = kind_named(type.text);
        if (!wanted && p->l.code == SIB_OK)
            text_fail(&p->l, type.at,
                      "there is no type '%.*s' of attributes: float, int, string, tensor, graph, floats, "
                      "ints or strings",
                      WORD(type));
    }
    text_put_bytes(p, out, ATTRIBUTE_NAME, name.text);
    *valued = text_take(&p->l, '=');
    if (!*valued)
        return name;
    size_t at = p->l.word.at;
    int kind = take_value_of(p, out, wanted);
    if (wanted && kind != wanted && p->l.code == SIB_OK)
        text_fail(&p->l, at, "attribute '%.*s' is not of the type that it declares", WORD(name));
    text_put_number(p, out, ATTRIBUTE_TYPE, kind);
    return name;
}

static void take_attributes(text_parser *p, byte_buffer *out)
{
    if (!text_take(&p->l, '<'))
        return;
    while (p->l.code == SIB_OK && !text_is(&p->l, '>')) {
        byte_buffer a = {0};
        bool valued;
        text_word name = take_attribute(p, &a, &valued);
        if (!valued)
            text_fail(&p->l, name.at, "attribute '%.*s' has no value", WORD(name));
        text_put_message(p, out, NODE_ATTRIBUTE, &a);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, '>');
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */

/* "my.dom.Foo": the last part is the type. */
static void take_type(text_parser *p, byte_buffer *out)
{
    text_word first = text_take_name(p, "an operator"), last = first;
    uint32_t ignored;
    while (text_take(&p->l, '.'))
        last = text_take_name(p, "an operator");
    size_t domain = last.at > first.at ? last.at - first.at - 1 : 0;
    sib_str name = {first.text.data, domain};
    if (str_is(name, "ai.onnx"))
        name.length = 0;
    if (p->l.code == SIB_OK && !name_map_find(&p->domains, name, &ignored))
        text_fail(&p->l, first.at, "domain '%.*s' is not in opset_import", (int)name.length, name.data);
    text_put_bytes(p, out, NODE_OP_TYPE, last.text);
    if (name.length)
        text_put_bytes(p, out, NODE_DOMAIN, name);
}

static void take_inputs(text_parser *p, byte_buffer *out)
{
    text_expect(&p->l, '(');
    while (p->l.code == SIB_OK && !text_is(&p->l, ')')) {
        bool omitted = text_is(&p->l, ',');
        text_word name = omitted ? (text_word){TEXT_NAME, {"", 0}, 0} : text_take_name(p, "an input");
        if (p->l.code == SIB_OK && name.text.length && !text_is_known(p, name.text))
            text_fail(&p->l, name.at, "'%.*s' is not defined before this node", WORD(name));
        text_put_bytes(p, out, NODE_INPUT, name.text);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, ')');
}

/* "y, z = Foo <axis = 1> (x)", the attributes before or after the inputs; perhaps "[name]" first. */
static void take_node(text_parser *p, byte_buffer *out)
{
    word_list outputs = {0};
    if (text_take(&p->l, '[')) {
        text_put_bytes(p, out, NODE_NAME, text_take_name(p, "the name of a node").text);
        text_expect(&p->l, ']');
    }
    do
        text_add_word(p, &outputs, text_take_name(p, "an output of a node, or '}'"));
    while (p->l.code == SIB_OK && text_take(&p->l, ','));
    text_expect(&p->l, '=');
    take_type(p, out);
    take_attributes(p, out);
    take_inputs(p, out);
    take_attributes(p, out);
    for (size_t i = 0; i < outputs.n; i++) {
        text_define(p, outputs.words[i]);
        text_put_bytes(p, out, NODE_OUTPUT, outputs.words[i].text);
    }
}

/* ---- Functions ------------------------------------------------------------------------------------------------------ */

static void import_domain(text_parser *p, byte_buffer *out, sib_str domain, int64_t version)
{
    byte_buffer opset = {0};
    if (str_is(domain, "ai.onnx"))
        domain = (sib_str){"", 0};
    if (!name_map_put(&p->domains, domain, 1))
        text_no_memory(&p->l);
    text_put_bytes(p, &opset, OPSET_DOMAIN, domain);
    text_put_number(p, &opset, OPSET_VERSION, version);
    text_put_message(p, out, FUNCTION_OPSET, &opset);
}

static void take_opsets(text_parser *p, byte_buffer *out)
{
    text_expect(&p->l, '[');
    while (p->l.code == SIB_OK && !text_is(&p->l, ']')) {
        text_word domain = text_take_name(p, "a domain as \"my.dom\" : 1");
        text_expect(&p->l, ':');
        text_word version = text_next(&p->l);
        int64_t number = text_integer(p, version);
        if (number < 1)
            text_fail(&p->l, version.at, "version %lld of a domain", (long long)number);
        import_domain(p, out, domain.text, number);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, ']');
}

/* <domain: "my.dom", opset_import: ["" : 20], doc_string: "..."> */
static void take_head(text_parser *p, byte_buffer *out)
{
    size_t at = p->l.word.at;
    uint32_t ignored;
    bool named = false;
    text_expect(&p->l, '<');
    while (p->l.code == SIB_OK && !text_is(&p->l, '>')) {
        text_word key = text_take_name(p, "domain, opset_import or doc_string");
        text_expect(&p->l, ':');
        if (str_is(key.text, "opset_import"))
            take_opsets(p, out);
        else if (str_is(key.text, "domain") || str_is(key.text, "doc_string")) {
            bool domain = *key.text.data == 'd' && key.text.length == 6;
            text_word value = text_take_name(p, "a string");
            text_put_bytes(p, out, domain ? FUNCTION_DOMAIN : FUNCTION_DOC, value.text);
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
static void take_parameters(text_parser *p, byte_buffer *out)
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
            text_put_message(p, out, FUNCTION_DEFAULT, &a);
        else
            text_put_bytes(p, out, FUNCTION_ATTRIBUTE, name.text);
        text_end_message(p, &a);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, '>');
}

static void take_names(text_parser *p, byte_buffer *out, uint32_t field, word_list *list)
{
    text_expect(&p->l, '(');
    while (p->l.code == SIB_OK && !text_is(&p->l, ')')) {
        text_word name = text_take_name(p, "a name without a type");
        text_put_bytes(p, out, field, name.text);
        text_add_word(p, list, name);
        if (!text_take(&p->l, ','))
            break;
    }
    text_expect(&p->l, ')');
}

static void take_function(text_parser *p, byte_buffer *out, text_function *f)
{
    word_list inputs = {0}, outputs = {0};
    take_head(p, out);
    f->name = text_take_name(p, "the function's name").text;
    f->domain = str_is(p->domain, "ai.onnx") ? (sib_str){"", 0} : p->domain;
    text_put_bytes(p, out, FUNCTION_NAME, f->name);
    take_parameters(p, out);
    take_names(p, out, FUNCTION_INPUT, &inputs);
    for (size_t i = 0; i < inputs.n; i++)
        text_define(p, inputs.words[i]);
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
    text_parser p = {0};
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
