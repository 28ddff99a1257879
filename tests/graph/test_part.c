/* Parts of graphs, and graphs as the public structs describe them. */
#include "check_memory.h"
#include "graph/describe.h"
#include "graph/part.h"
#include "make.h"

/* x -> Abs -> a; z -> Cos -> b; Pair(a, nothing, b) -> c, unused; c -> Hold { captures z } -> d; x -> Exp -> e; and a
   constant without a use. */
typedef struct parted {
    world w;
    value_id x, z, a, b, c, second, d, e, constant;
} parted;

enum { ABS, COS, PAIR, HOLD, EXP, N_NODES };

static void parted_begin(parted *s)
{
    world *w = &s->w;
    world_begin(w);
    s->x = make_input(w, "x");
    s->z = make_input(w, "z");
    s->a = add_op(w, w->g, "Abs", IDS(s->x), "a");
    s->b = add_op(w, w->g, "Cos", IDS(s->z), "b");
    s->c = make_value(w, w->g, "c", NULL);
    s->second = make_value(w, w->g, "second", NULL);
    node pair = make_node("Pair", "pair", IDS(s->a, NO_VALUE, s->b), IDS(s->c, NO_VALUE, s->second), 0, NULL);
    node_id id;
    CHECK_OK(graph_add_node(w->g, &pair, &id, &w->err), w->err);
    s->d = add_holder(w, make_inside(w, s->z), "d");
    s->e = add_op(w, w->g, "Exp", IDS(s->x), "e");
    CHECK_OK(graph_add_output(w->g, s->e, &w->err), w->err);
    quant_annotation *notes = arena_alloc(w->arena, 3, sizeof *notes);
    assert_non_null(notes);
    notes[0] = (quant_annotation){.tensor = str_of("a")};
    notes[1] = (quant_annotation){.tensor = str_of("e")};
    notes[2] = (quant_annotation){.tensor = str_of("b")};
    w->g->quant = notes;
    w->g->n_quant = 3;
    CHECK_OK(graph_verify(w->g, &w->err), w->err);
}

/* "Abs(x)->a Pair(a,,b)->c": the nodes by the names of their values. */
static void check_graph(const graph *g, const char *expected)
{
    char text[400] = "";
    size_t n = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const node *at = &g->nodes[i];
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s(", i ? " " : "", at->type.data);
        for (uint32_t k = 0; k < at->inputs.n; k++)
            n +=
                (size_t)snprintf(text + n, sizeof text - n, "%s%s", k ? "," : "",
                                 at->inputs.ids[k] == NO_VALUE ? "" : g->values[at->inputs.ids[k]].name.data);
        n += (size_t)snprintf(text + n, sizeof text - n, ")");
        for (uint32_t k = 0; k < at->outputs.n; k++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", k ? "," : "->",
                                  at->outputs.ids[k] == NO_VALUE ? ""
                                                                 : g->values[at->outputs.ids[k]].name.data);
    }
    assert_string_equal(text, expected);
}

TEST_ALONE(test_parts)
{
    static const struct {
        const char *outputs, *nodes, *inputs, *notes; /* names; outputs and inputs are letters */
    } cases[] = {
        {"c", "Abs(x)->a Cos(z)->b Pair(a,,b)->c,,second", "xz", "ab"},
        {"a", "Abs(x)->a", "x", "a"},
        {"d", "Hold()->d", "z", ""},
        {"ea", "Abs(x)->a Exp(x)->e", "x", "ae"},
        {"x", "", "x", ""},
        {"ac", "Abs(x)->a Cos(z)->b Pair(a,,b)->c,,second", "xz", "ab"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        parted s;
        parted_begin(&s);
        const value_id named[] = {['a'] = s.a, ['c'] = s.c, ['d'] = s.d, ['e'] = s.e, ['x'] = s.x};
        value_id outputs[4], values[20];
        node_id nodes[N_NODES];
        graph *part = NULL;
        const size_t n = strlen(cases[i].outputs);
        for (size_t k = 0; k < n; k++)
            outputs[k] = named[(unsigned char)cases[i].outputs[k]];
        CHECK_OK(graph_part(s.w.g, outputs, n, s.w.arena, s.w.dims, values, nodes, &part, &s.w.err), s.w.err);
        CHECK_OK(graph_verify(part, &s.w.err), s.w.err);
        check_graph(part, cases[i].nodes);
        assert_int_equal(part->outputs.n, n);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(part->values[part->outputs.ids[k]].name.data[0], cases[i].outputs[k]);
        assert_int_equal(part->inputs.n, strlen(cases[i].inputs));
        for (size_t k = 0; k < part->inputs.n; k++)
            assert_int_equal(part->values[part->inputs.ids[k]].name.data[0], cases[i].inputs[k]);
        assert_int_equal(part->n_quant, strlen(cases[i].notes));
        for (size_t k = 0; k < part->n_quant; k++)
            assert_non_null(strchr(cases[i].notes, part->quant[k].tensor.data[0]));
        /* what moved where */
        uint32_t kept = 0;
        for (value_id v = 0; v < s.w.g->n_values; v++)
            if (values[v] != NO_VALUE) {
                assert_int_equal(values[v], kept++); /* in their order */
                assert_true(str_same(part->values[values[v]].name, s.w.g->values[v].name));
                const node_id by = s.w.g->values[v].producer;
                assert_int_equal(part->values[values[v]].producer, by == NO_NODE ? NO_NODE : nodes[by]);
            }
        assert_int_equal(kept, part->n_values);
        kept = 0;
        for (node_id k = 0; k < N_NODES; k++)
            kept += nodes[k] != NO_NODE;
        assert_int_equal(kept, part->n_nodes);
        if (*cases[i].outputs == 'd') { /* the capture is that of the part */
            const graph *inside = part->nodes[0].attributes[0].graph;
            assert_true(inside != s.w.g->nodes[HOLD].attributes[0].graph && inside->outer == part);
            assert_int_equal(inside->captures[0].outer, values[s.z]);
        }
        CHECK_OK(graph_verify(s.w.g, &s.w.err), s.w.err); /* as it was */
        assert_int_equal(s.w.g->n_nodes, N_NODES);
        graph_free(&part);
        world_end(&s.w);
    }
}

/* The subgraph of the first node is the copy's own. */
TEST_ALONE(test_first_node_with_a_subgraph)
{
    world w;
    graph *part = NULL;
    world_begin(&w);
    const value_id x = make_input(&w, "x"), d = add_holder(&w, make_inside(&w, x), "d");
    CHECK_OK(graph_part(w.g, &d, 1, w.arena, w.dims, NULL, NULL, &part, &w.err), w.err);
    const graph *inside = part->nodes[0].attributes[0].graph;
    assert_true(inside != w.g->nodes[0].attributes[0].graph && inside->outer == part && inside->n_nodes == 1);
    graph_free(&part);
    world_end(&w);
}

static sib_code part_of(const parted *s, sib_error *err)
{
    graph *part = NULL;
    sib_code code = graph_part(s->w.g, &s->c, 1, s->w.arena, s->w.dims, NULL, NULL, &part, err);
    assert_true((code == SIB_OK) == (part != NULL));
    graph_free(&part);
    return code;
}

TEST_ALONE(test_part_refusals)
{
    parted s;
    sib_error err = SIB_ERROR_INIT;
    graph *part = NULL;
    parted_begin(&s);
    const value_id beyond = s.w.g->n_values;
    CHECK_FAILS(graph_part(s.w.g, &beyond, 1, s.w.arena, s.w.dims, NULL, NULL, &part, &err), SIB_ERR_ARGUMENT,
                err, "value 8 of 8 cannot be an output");
    assert_null(part);
    CHECK_FAILED_ALLOCATIONS(check_k + 1, part_of(&s, &err), (void)0); /* the arena keeps what it grew by */
    world_end(&s.w);
}

/* ---- Descriptions ---------------------------------------------------------------------------------------------------- */

TEST_ALONE(test_kinds_of_values)
{
    static const struct {
        type_kind outer;
        sib_value_kind kind;
    } kinds[] = {{TYPE_TENSOR, SIB_VALUE_TENSOR},
                 {TYPE_SPARSE, SIB_VALUE_TENSOR},
                 {TYPE_SEQUENCE, SIB_VALUE_SEQUENCE},
                 {TYPE_OPTIONAL, SIB_VALUE_OPTIONAL},
                 {TYPE_MAP, SIB_VALUE_MAP}};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        value_type t = {.leaf = kinds[i].outer};
        if (kinds[i].outer != TYPE_TENSOR && kinds[i].outer != TYPE_SPARSE) {
            t.leaf = TYPE_TENSOR;
            t.depth = 1;
            t.wrap[0] = kinds[i].outer;
        }
        assert_int_equal(type_value_kind(&t), kinds[i].kind);
    }
    assert_int_equal(type_value_kind(&(value_type){0}), 0);
}

TEST_ALONE(test_described_values)
{
    world w;
    world_begin(&w);
    value_id x = make_input(&w, "x"), y = add_op(&w, w.g, "Abs", IDS(x), "y");
    value_type t = type_of_dims(w.dims, SIB_I64, 2, (const int64_t[]){4, 5});
    t.shape.dims[1] = dim_symbol(w.dims, str_of("n"));
    value_id z = make_value(&w, w.g, "z", &t);
    sib_value_info info = value_describe(w.g, &w.g->values[y]);
    assert_true(!strcmp(info.name, "y") && !*info.doc && info.kind == SIB_VALUE_TENSOR &&
                info.dtype == SIB_F32 && info.ranked && info.rank == 1 && info.dims[0] == 3);
    assert_true(info.producer == 0 && !info.constant && !info.initializer);
    info = value_describe(w.g, &w.g->values[z]);
    assert_true(info.dtype == SIB_I64 && info.rank == 2 && info.dims[0] == 4 && info.dims[1] == -1);
    world_end(&w);
}

TEST_ALONE(test_described_attributes)
{
    static const int64_t ints[] = {3, 4};
    static const float floats[] = {1.5f};
    static const sib_str strings[] = {{"a", 1}};
    const sib_tensor *tensors[3] = {NULL};
    const attribute given[] = {
        {.name = str_of("a"), .kind = ATTR_FLOAT, .f = 2.5f},
        {.name = str_of("b"), .kind = ATTR_INT, .i = -7},
        {.name = str_of("c"), .kind = ATTR_STRING, .s = str_of("text")},
        {.name = str_of("d"), .kind = ATTR_TENSOR, .tensor = (sib_tensor *)tensors},
        {.name = str_of("e"), .kind = ATTR_GRAPH},
        {.name = str_of("f"), .kind = ATTR_FLOATS, .n = 1, .floats = floats},
        {.name = str_of("g"), .kind = ATTR_INTS, .n = 2, .ints = ints},
        {.name = str_of("h"), .kind = ATTR_STRINGS, .n = 1, .strings = strings},
        {.name = str_of("i"), .kind = ATTR_TENSORS, .n = 3, .tensors = (void *)tensors},
        {.name = str_of("j"), .kind = ATTR_SPARSE, .n = 3, .tensors = (void *)tensors},
        {.name = str_of("k"), .kind = ATTR_GRAPHS, .n = 2},
        {.name = str_of("l"), .kind = ATTR_TYPE},
    };
    for (size_t i = 0; i < COUNT(given); i++) {
        const sib_attribute a = attribute_describe(&given[i]);
        const attribute_kind kind = given[i].kind;
        const bool list = kind >= ATTR_FLOATS && kind <= ATTR_SPARSE;
        assert_string_equal(a.name, given[i].name.data);
        assert_int_equal(a.kind, kind);
        assert_int_equal(attribute_is_list(&given[i]), list);
        assert_int_equal(a.n, list ? given[i].n : 1);
        assert_int_equal(a.floats != NULL, kind == ATTR_FLOAT || kind == ATTR_FLOATS);
        assert_int_equal(a.ints != NULL, kind == ATTR_INT || kind == ATTR_INTS);
        assert_int_equal(a.strings != NULL, kind == ATTR_STRING || kind == ATTR_STRINGS);
        assert_int_equal(a.tensors != NULL,
                         kind == ATTR_TENSOR || kind == ATTR_TENSORS || kind == ATTR_SPARSE);
    }
    assert_true(*attribute_describe(&given[0]).floats == 2.5f && *attribute_describe(&given[1]).ints == -7);
    assert_true(str_is(*attribute_describe(&given[2]).strings, "text") &&
                attribute_describe(&given[6]).ints[1] == 4);
}
