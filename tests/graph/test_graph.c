/* Graphs built and verified, every invariant broken once, failing allocations, arenas, types, attributes. */
#include "check_memory.h"
#include "make.h"

TEST(test_making)
{
    world w;
    world_begin(&w);
    value_id x = make_input(&w, "x"), y = add_op(&w, w.g, "Relu", IDS(x, NO_VALUE), "y");
    CHECK_OK(graph_add_output(w.g, y, &w.err), w.err);
    assert_int_equal(w.g->values[y].producer, 0);
    assert_int_equal(w.g->values[x].producer, NO_NODE);
    assert_int_equal(w.g->nodes[0].inputs.n, 2);
    char text[64];
    assert_string_equal(node_text(w.g, &w.g->nodes[0], text, sizeof text), "'y' (Relu)");
    CHECK_OK(graph_verify(w.g, &w.err), w.err);
    node again = make_node("Abs", "again", IDS(x), IDS(y), 0, NULL);
    node_id id;
    CHECK_FAILS(graph_add_node(w.g, &again, &id, &w.err), SIB_ERR_FORMAT, w.err, "'y'");
    again.outputs = IDS(99);
    CHECK_FAILS(graph_add_node(w.g, &again, &id, &w.err), SIB_ERR_ARGUMENT, w.err, "99");
    assert_int_equal(w.g->n_nodes, 1);
    for (int i = 0; i < 9; i++)
        CHECK_OK(graph_add_output(w.g, y, &w.err), w.err);
    assert_int_equal(w.g->outputs.n, 10);
    world_end(&w);
}

TEST(test_captures)
{
    world w;
    world_begin(&w);
    value_id x = make_input(&w, "x"), h = add_op(&w, w.g, "Abs", IDS(x), "h"), inner, again;
    graph *inside = make_inside(&w, h);
    CHECK_OK(graph_capture(inside, h, &inner, &w.err), w.err);
    assert_int_equal(inner, inside->captures[0].inner);
    CHECK_OK(graph_capture(inside, x, &again, &w.err), w.err);
    assert_true(again != inner && inside->n_captures == 2 && str_is(inside->values[again].name, "x"));
    graph_add_output(w.g, add_holder(&w, inside, "y"), &w.err);
    CHECK_OK(graph_verify(w.g, &w.err), w.err);
    world_end(&w); /* frees the subgraphs */
}

TEST(test_many)
{
    world w;
    world_begin(&w);
    value_id v = make_input(&w, "x");
    for (int i = 0; i < 100000; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer/%d/out", i);
        v = add_op(&w, w.g, "Relu", IDS(v), name);
    }
    CHECK_OK(graph_add_output(w.g, v, &w.err), w.err);
    CHECK_OK(graph_verify(w.g, &w.err), w.err);
    world_end(&w);
}

/* ---- Broken invariants -------------------------------------------------------------------------------- */

/* x -> Abs -> h -> Hold { captures h } -> y; k is a constant of the file that Add reads. */
typedef struct sample {
    world w;
    value_id x, h, y, k, z;
    graph *inside;
    sib_tensor *tensor;
} sample;

static void sample_begin(sample *s)
{
    int64_t dims[1] = {3};
    world_begin(&s->w);
    s->x = make_input(&s->w, "x");
    s->k = make_value(&s->w, s->w.g, "k", NULL);
    CHECK_OK(sib_tensor_create(SIB_F32, 1, dims, &s->tensor, &s->w.err), s->w.err);
    s->w.g->values[s->k].constant = s->tensor;
    s->w.g->values[s->k].from_file = true;
    s->h = add_op(&s->w, s->w.g, "Abs", IDS(s->x), "h");
    s->inside = make_inside(&s->w, s->h);
    s->y = add_holder(&s->w, s->inside, "y");
    s->z = add_op(&s->w, s->w.g, "Add", IDS(s->y, s->k), "z");
    CHECK_OK(graph_add_output(s->w.g, s->z, &s->w.err), s->w.err);
    CHECK_OK(graph_verify(s->w.g, &s->w.err), s->w.err);
}

static void sample_end(sample *s)
{
    world_end(&s->w);
    sib_tensor_free(&s->tensor);
}

static void swap_nodes(sample *s)
{
    node first = s->w.g->nodes[1];
    s->w.g->nodes[1] = s->w.g->nodes[2];
    s->w.g->nodes[2] = first;
    s->w.g->values[s->z].producer = 1;
    s->w.g->values[s->y].producer = 2;
}
static void read_missing(sample *s)
{
    s->w.g->nodes[2].inputs.ids[1] = 50;
}
static void read_orphan(sample *s)
{
    s->w.g->values[s->k].constant = NULL;
}
static void make_missing(sample *s)
{
    s->w.g->nodes[2].outputs.ids[0] = 50;
    s->w.g->values[s->z].producer = NO_NODE;
    s->w.g->outputs.n = 0;
}
static void wrong_producer(sample *s)
{
    s->w.g->values[s->z].producer = 0;
}
static void producer_missing(sample *s)
{
    s->w.g->values[s->z].producer = 9;
}
/* The first id that no node has. */
static void producer_behind(sample *s)
{
    s->w.g->values[s->z].producer = s->w.g->n_nodes;
}
static void producer_unsaid(sample *s)
{
    s->w.g->values[s->z].producer = NO_NODE;
}
static void made_twice(sample *s)
{
    s->w.g->nodes[0].outputs = (id_list){2, arena_alloc(s->w.arena, 2, sizeof(value_id))};
    s->w.g->nodes[0].outputs.ids[0] = s->w.g->nodes[0].outputs.ids[1] = s->h;
}
static void made_input(sample *s)
{
    s->w.g->inputs.ids[0] = s->h;
}
static void input_missing(sample *s)
{
    s->w.g->inputs.ids[0] = 77;
}
static void input_twice(sample *s)
{
    graph_add_input(s->w.g, s->x, &s->w.err);
}
static void output_missing(sample *s)
{
    s->w.g->outputs.ids[0] = 77;
}
static void output_orphan(sample *s)
{
    s->w.g->outputs.ids[0] = make_value(&s->w, s->w.g, "orphan", NULL);
}
static void name_twice(sample *s)
{
    s->w.g->values[s->h].name = s->w.g->values[s->x].name;
}
static void made_initializer(sample *s)
{
    s->w.g->values[s->h].constant = s->tensor;
    s->w.g->values[s->h].from_file = true;
}
static void foreign_dim(sample *s)
{
    s->w.g->values[s->h].type.shape.dims[0] = (dim){123456};
}
static void high_rank(sample *s)
{
    s->w.g->values[s->h].declared.shape = (dim_shape){.ranked = true, .rank = 17};
}
static void capture_missing(sample *s)
{
    s->inside->captures[0].outer = 77;
}
static void capture_later(sample *s)
{
    s->inside->captures[0].outer = s->z;
}
static void capture_orphan(sample *s)
{
    s->inside->captures[0].outer = make_value(&s->w, s->w.g, "orphan", NULL);
}
static void capture_made(sample *s)
{
    s->inside->captures[0].inner = s->inside->outputs.ids[0];
}
static void capture_inner_missing(sample *s)
{
    s->inside->captures[0].inner = 77;
}
static void capture_input(sample *s)
{
    graph_add_input(s->inside, s->inside->captures[0].inner, &s->w.err);
}
static void capture_nowhere(sample *s)
{
    s->w.g->captures = mem_calloc(1, sizeof(capture));
    s->w.g->n_captures = 1;
}
static void inside_broken(sample *s)
{
    s->inside->nodes[0].inputs.ids[0] = 77;
}

TEST(test_broken)
{
    static const struct {
        void (*how)(sample *s);
        const char *words;
    } ways[] = {
        {swap_nodes, "'z' (Add): value 3 ('y') is read before its producer"},
        {read_missing, "'z' (Add): value 50 is read but does not exist"},
        {read_orphan, "('k') is read but has no producer"},
        {make_missing, "value 50 is an output of a node but does not exist"},
        {wrong_producer, "'h' (Abs): value 4 ('z') is not among the outputs of its producer"},
        {producer_missing, "('z') has a producer that does not exist"},
        {producer_behind, "('z') has a producer that does not exist"},
        {producer_unsaid, "('z') is an output without a producer"},
        {made_twice, "('h') occurs twice among the outputs of its producer"},
        {made_input, "('h') is an input and also an output of a node"},
        {input_missing, "77 is an input that does not exist"},
        {input_twice, "('x') is an input twice"},
        {output_missing, "77 is an output that does not exist"},
        {output_orphan, "('orphan') is an output without a producer"},
        {name_twice, "('x') has the name of another value"},
        {made_initializer, "('h') is an initializer and also an output of a node"},
        {foreign_dim, "('h') has a dim that is not in the graph's table"},
        {high_rank, "('h') has too high a rank"},
        {capture_missing, "77 is captured and does not exist in the outer graph"},
        {capture_later, "'y' (Hold): value 4 ('z') is captured before its producer"},
        {capture_orphan, "('orphan') is captured but has no producer"},
        {capture_made, "is the inner value of a capture and also an output of a node"},
        {capture_inner_missing, "77 is the inner value of a capture and does not exist"},
        {capture_input, "is the inner value of two captures, or of a capture and an input"},
        {capture_nowhere, "is captured and does not exist in the outer graph"},
        {inside_broken, "'inside' (Neg): value 77 is read but does not exist"},
    };
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        sample s;
        sample_begin(&s);
        ways[i].how(&s);
        CHECK_FAILS(graph_verify(s.w.g, &s.w.err), SIB_ERR_FORMAT, s.w.err, ways[i].words);
        sample_end(&s);
    }
}

TEST(test_depth)
{
    world w;
    world_begin(&w);
    graph *at = w.g;
    for (int i = 0; i < 80; i++) {
        graph *inside = NULL, *root = w.g;
        CHECK_OK(graph_create(w.arena, w.dims, &inside, &w.err), w.err);
        inside->outer = at;
        w.g = at;
        add_holder(&w, inside, "deeper");
        w.g = root;
        at = inside;
    }
    CHECK_FAILS(graph_verify(w.g, &w.err), SIB_ERR_SIZE, w.err, "deep");
    world_end(&w);
}

/* ---- Memory ------------------------------------------------------------------------------------------- */

/* Builds a small graph; any allocation may fail. */
static sib_code make_all(sib_error *err)
{
    graph_arena *arena = NULL;
    dim_table *dims = NULL;
    graph *g = NULL;
    value_id x = NO_VALUE, y = NO_VALUE;
    node_id id;
    int64_t list[2] = {1, 2};
    attribute axes = {.name = str_of("axes"), .kind = ATTR_INTS, .n = 2, .ints = list};
    sib_code code = arena_create(&arena, err);
    if (code == SIB_OK)
        code = dim_table_create(&dims, err);
    if (code == SIB_OK)
        code = graph_create(arena, dims, &g, err);
    for (int i = 0; i < 40 && code == SIB_OK; i++) {
        char name[2][16];
        snprintf(name[0], sizeof name[0], "x%d", i);
        snprintf(name[1], sizeof name[1], "y%d", i);
        if (code == SIB_OK)
            code = graph_add_value(g, str_of(name[0]), NULL, &x, err);
        if (code == SIB_OK)
            code = graph_add_input(g, x, err);
        if (code == SIB_OK)
            code = graph_add_value(g, str_of(name[1]), NULL, &y, err);
        if (code == SIB_OK)
            code = graph_add_output(g, y, err);
        node n = make_node("Squeeze", "", (id_list){1, &x}, (id_list){1, &y}, 1, &axes);
        if (code == SIB_OK)
            code = graph_add_node(g, &n, &id, err);
    }
    if (code == SIB_OK)
        code = graph_verify(g, err);
    graph_free(&g);
    dim_table_free(&dims);
    arena_free(&arena);
    return code;
}

TEST(test_memory)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_EVERY_ALLOCATION(make_all(&err), (void)0);
}

TEST(test_arena)
{
    sib_error err = SIB_ERROR_INIT;
    graph_arena *a = NULL;
    check_random r = {5};
    CHECK_OK(arena_create(&a, &err), err);
    unsigned char *last = NULL;
    size_t last_size = 0;
    for (int i = 0; i < 2000; i++) {
        size_t size = check_u64(&r) % (i % 100 ? 200 : 300000);
        unsigned char *p = arena_alloc(a, size, 1);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(p[k], 0);
        memset(p, 0xff, size);
        for (size_t k = 0; k < last_size; k++)
            assert_int_equal(last[k], 0xff);
        last = p;
        last_size = size;
    }
    assert_null(arena_alloc(a, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(a, SIZE_MAX, 1));
    bool ok = true;
    sib_str s = arena_string(a, (sib_str){"words and", 5}, &ok);
    assert_true(ok && s.length == 5 && !strcmp(s.data, "words"));
    sib_tensor *t = NULL;
    CHECK_OK(sib_tensor_create(SIB_F32, 0, NULL, &t, &err), err);
    CHECK_OK(arena_keep(a, t, &err), err);
    arena_free(&a);
    assert_null(a);
}

/* ---- Types and attributes ----------------------------------------------------------------------------- */

TEST(test_types)
{
    world w;
    world_begin(&w);
    char text[100];
    dim T = dim_symbol(w.dims, str_of("T")), T1 = dim_add(w.dims, T, dim_const(w.dims, 1));
    value_type t = floats(&w, 80), any = {0}, unranked = type_tensor(SIB_F32), longer = t, ints = t;
    value_type sym = t, sym1 = t, rank2 = t;
    longer.shape.dims[0] = dim_const(w.dims, 81);
    ints.dtype = SIB_I64;
    sym.shape.dims[0] = T;
    sym1.shape.dims[0] = T1;
    rank2.shape.rank = 2;
    rank2.shape.dims[1] = T;
    value_type seq = type_wrap(TYPE_SEQUENCE, t), opt = type_wrap(TYPE_OPTIONAL, seq),
               map = type_wrap(TYPE_MAP, t);
    map.key = SIB_STRING;
    assert_string_equal(type_text(w.dims, &rank2, text, sizeof text), "float32 [80, T]");
    assert_string_equal(type_text(w.dims, &opt, text, sizeof text), "optional(seq(float32 [80]))");
    assert_string_equal(type_text(w.dims, &map, text, sizeof text), "map(string, float32 [80])");
    assert_int_equal(type_outer(&opt), TYPE_OPTIONAL);
    value_type inner = type_inner(&opt);
    assert_int_equal(type_outer(&inner), TYPE_SEQUENCE);
    assert_true(type_agrees(w.dims, &t, &t) && type_agrees(w.dims, &t, &any) &&
                type_agrees(w.dims, &any, &t));
    assert_true(type_agrees(w.dims, &t, &unranked) && type_agrees(w.dims, &t, &sym));
    assert_false(type_agrees(w.dims, &t, &longer) || type_agrees(w.dims, &t, &ints));
    assert_false(type_agrees(w.dims, &sym1, &sym)); /* either way */
    assert_false(type_agrees(w.dims, &sym, &sym1) || type_agrees(w.dims, &t, &rank2));
    assert_false(type_agrees(w.dims, &t, &seq) || type_agrees(w.dims, &seq, &opt) ||
                 type_agrees(w.dims, &seq, &map));
    assert_true(type_agrees(w.dims, &opt, &opt));
    for (int i = 0; i < TYPE_MAX_DEPTH; i++)
        seq = type_wrap(TYPE_SEQUENCE, seq);
    assert_int_equal(type_outer(&seq), TYPE_UNKNOWN);
    world_end(&w);
}

TEST(test_attributes)
{
    attribute all[] = {{.name = str_of("i"), .kind = ATTR_INT, .i = 7},
                       {.name = str_of("f"), .kind = ATTR_FLOAT, .f = 0.25f}};
    node n = make_node("Any", "", (id_list){0, NULL}, (id_list){0, NULL}, 2, all);
    assert_ptr_equal(node_attribute(&n, "f"), &n.attributes[1]);
    assert_null(node_attribute(&n, "none"));
    assert_null(node_attribute(&n, "ff"));
}
