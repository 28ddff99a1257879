/* Patches: what they change, what they reject, and that a rejected one changes nothing; passes. */
#include "graph/pass.h"
#include "make.h"

/* x -> Abs -> a -> Identity -> b -> Neg -> c -> Hold { captures b } -> d -> Add(c) -> y; Exp -> unused. */
typedef struct sample {
    world w;
    graph *g, *inside;
    value_id x, a, b, c, d, y, unused;
} sample;

enum { ABS, IDENTITY, NEG, HOLD, ADD, EXP, N_NODES };

static void sample_begin(sample *s)
{
    world_begin(&s->w);
    s->g = s->w.g;
    s->x = make_input(&s->w, "x");
    s->a = add_op(&s->w, s->g, "Abs", IDS(s->x), "a");
    s->b = add_op(&s->w, s->g, "Identity", IDS(s->a), "b");
    s->c = add_op(&s->w, s->g, "Neg", IDS(s->b), "c");
    s->inside = make_inside(&s->w, s->b);
    s->d = add_holder(&s->w, s->inside, "d");
    s->y = add_op(&s->w, s->g, "Add", IDS(s->d, s->c), "y");
    s->unused = add_op(&s->w, s->g, "Exp", IDS(s->c), "unused");
    CHECK_OK(graph_add_output(s->g, s->y, &s->w.err), s->w.err);
    CHECK_OK(graph_verify(s->g, &s->w.err), s->w.err);
}

static void sample_end(sample *s)
{
    world_end(&s->w);
}

static patch *begin(sample *s)
{
    patch *p = NULL;
    CHECK_OK(patch_create(s->g, &p, &s->w.err), s->w.err);
    assert_true(patch_is_empty(p));
    return p;
}

/* The types of the nodes in order, "Abs Neg". */
static const char *order_of(const graph *g, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", i ? " " : "", g->nodes[i].type.data);
    return text;
}

static void check_order(const graph *g, const char *expected)
{
    char text[400];
    assert_string_equal(order_of(g, text, sizeof text), expected);
}

TEST(test_edits)
{
    sample s;
    sample_begin(&s);
    patch *p = begin(&s);
    value_id m, k, e;
    sib_tensor *t = NULL;
    int64_t three = 3;
    CHECK_OK(sib_tensor_create(SIB_F32, 1, &three, &t, &s.w.err), s.w.err);
    value_type type = floats(&s.w, 3);
    CHECK_OK(patch_value(p, str_of("m"), &type, &m, &s.w.err), s.w.err);
    CHECK_OK(patch_constant(p, str_of("k"), t, &k, &s.w.err), s.w.err);
    CHECK_OK(patch_value(p, str_of("e"), &type, &e, &s.w.err), s.w.err);
    node mul = make_node("Mul", "m", IDS(s.a, k), IDS(m), 0, NULL);
    node sub = make_node("Sub", "c", IDS(m, s.a), IDS(s.c), 0, NULL);
    node end = make_node("Sign", "e", IDS(s.y), IDS(e), 0, NULL);
    CHECK_OK(patch_node(p, NEG, &mul, &s.w.err), s.w.err);
    CHECK_OK(patch_node(p, NEG, &sub, &s.w.err), s.w.err);
    CHECK_OK(patch_node(p, NO_NODE, &end, &s.w.err), s.w.err);
    CHECK_OK(patch_drop(p, NEG, &s.w.err), s.w.err);
    CHECK_OK(patch_drop(p, IDENTITY, &s.w.err), s.w.err);
    CHECK_OK(patch_rewire(p, s.b, s.a, &s.w.err), s.w.err);
    CHECK_OK(patch_output(p, 0, e, &s.w.err), s.w.err);
    CHECK_OK(patch_apply(s.g, p, &s.w.err), s.w.err);
    check_order(s.g, "Abs Mul Sub Hold Add Exp Sign");
    assert_int_equal(s.inside->captures[0].outer, s.a);
    assert_int_equal(s.g->values[s.c].producer, 2);
    assert_int_equal(s.g->values[s.b].producer, NO_NODE);
    assert_int_equal(s.g->outputs.ids[0], e);
    assert_true(s.g->values[k].constant == t && str_is(s.g->values[k].name, "k"));
    assert_int_equal(patch_moved(p, IDENTITY), NO_NODE);
    assert_int_equal(patch_moved(p, ADD), 4);
    CHECK_FAILS(patch_apply(s.g, p, &s.w.err), SIB_ERR_ARGUMENT, s.w.err, "changed");
    CHECK_OK(graph_add_output(s.g, s.y, &s.w.err), s.w.err);
    CHECK_OK(graph_verify(s.g, &s.w.err), s.w.err);
    patch_free(&p);
    sample_end(&s);
    sib_tensor_free(&t);
}

TEST(test_chains)
{
    sample s;
    sample_begin(&s);
    patch *p = begin(&s);
    CHECK_OK(patch_rewire(p, s.c, s.b, &s.w.err), s.w.err);
    CHECK_OK(patch_rewire(p, s.b, s.a, &s.w.err), s.w.err);
    CHECK_OK(patch_rewire(p, s.b, s.a, &s.w.err), s.w.err);
    CHECK_OK(patch_drop(p, IDENTITY, &s.w.err), s.w.err);
    CHECK_OK(patch_drop(p, NEG, &s.w.err), s.w.err);
    CHECK_OK(patch_apply(s.g, p, &s.w.err), s.w.err);
    check_order(s.g, "Abs Hold Add Exp");
    assert_int_equal(s.g->nodes[2].inputs.ids[1], s.a);
    assert_int_equal(s.g->nodes[3].inputs.ids[0], s.a);
    patch_free(&p);
    sample_end(&s);
}

/* A node that holds a graph is replaced by one that holds it too, and is then dropped with it. */
TEST(test_inside)
{
    sample s;
    sample_begin(&s);
    patch *p = begin(&s);
    attribute body = {.name = str_of("body"), .kind = ATTR_GRAPH, .graph = s.inside};
    node other = make_node("Keep", "d", (id_list){0, NULL}, IDS(s.d), 1, &body);
    CHECK_OK(patch_drop(p, HOLD, &s.w.err), s.w.err);
    CHECK_OK(patch_node(p, HOLD, &other, &s.w.err), s.w.err);
    CHECK_OK(patch_apply(s.g, p, &s.w.err), s.w.err);
    check_order(s.g, "Abs Identity Neg Keep Add Exp");
    assert_int_equal(s.inside->captures[0].outer, s.b);
    patch_free(&p);
    p = begin(&s);
    CHECK_OK(patch_drop(p, HOLD, &s.w.err), s.w.err);
    CHECK_OK(patch_rewire(p, s.d, s.b, &s.w.err), s.w.err);
    CHECK_OK(patch_apply(s.g, p, &s.w.err), s.w.err);
    check_order(s.g, "Abs Identity Neg Add Exp");
    patch_free(&p);
    sample_end(&s);
}

/* ---- Refusals ----------------------------------------------------------------------------------------- */

static void other_dtype(sample *s, patch *p)
{
    value_type ints = type_tensor(SIB_I64);
    value_id v;
    patch_value(p, str_of("ints"), &ints, &v, &s->w.err);
    patch_rewire(p, s->b, v, &s->w.err);
}
static void other_dims(sample *s, patch *p)
{
    value_type four = floats(&s->w, 4);
    value_id v;
    patch_value(p, str_of("four"), &four, &v, &s->w.err);
    patch_output(p, 0, v, &s->w.err);
}
static void two_ways(sample *s, patch *p)
{
    patch_rewire(p, s->c, s->a, &s->w.err);
    patch_rewire(p, s->c, s->b, &s->w.err);
}
static void circle(sample *s, patch *p)
{
    patch_rewire(p, s->c, s->a, &s->w.err);
    patch_rewire(p, s->a, s->c, &s->w.err);
}
static void too_late(sample *s, patch *p)
{
    patch_rewire(p, s->a, s->c, &s->w.err);
}
static void capture_too_late(sample *s, patch *p)
{
    patch_rewire(p, s->b, s->y, &s->w.err);
    patch_drop(p, NEG, &s->w.err);
}
static void still_used(sample *s, patch *p)
{
    patch_drop(p, ABS, &s->w.err);
}
static void output_gone(sample *s, patch *p)
{
    patch_drop(p, ADD, &s->w.err);
}
static void made_twice(sample *s, patch *p)
{
    node n = make_node("Cos", "c", IDS(s->a), IDS(s->c), 0, NULL);
    patch_node(p, NEG, &n, &s->w.err);
}
static void name_taken(sample *s, patch *p)
{
    value_id v;
    patch_value(p, str_of("a"), NULL, &v, &s->w.err);
}
static void placed_early(sample *s, patch *p)
{
    value_id v;
    patch_value(p, str_of("early"), NULL, &v, &s->w.err);
    node n = make_node("Cos", "early", IDS(s->c), IDS(v), 0, NULL);
    patch_node(p, ABS, &n, &s->w.err);
}
static void nobody_makes(sample *s, patch *p)
{
    value_id v;
    patch_value(p, str_of("ghost"), NULL, &v, &s->w.err);
    patch_rewire(p, s->b, v, &s->w.err);
}

static const struct {
    void (*how)(sample *s, patch *p);
    sib_code code;
    const char *words;
} refusals[] = {
    {other_dtype, SIB_ERR_ARGUMENT,
     "('ints') of type int64 ? cannot be used for value 2 ('b') of type float32 [3]"},
    {other_dims, SIB_ERR_ARGUMENT, "('four') of type float32 [4] cannot be used for value 5 ('y')"},
    {two_ways, SIB_ERR_ARGUMENT, "value 3 is rewired to value 1 and to value 2"},
    {circle, SIB_ERR_ARGUMENT, "in a circle"},
    {too_late, SIB_ERR_FORMAT, "'b' (Identity): value 3 ('c') is read before its producer"},
    {capture_too_late, SIB_ERR_FORMAT, "'d' (Hold): value 5 ('y') is captured before its producer"},
    {still_used, SIB_ERR_FORMAT, "value 1 ('a') is read but has no producer"},
    {output_gone, SIB_ERR_FORMAT, "value 5 ('y') is an output without a producer"},
    {made_twice, SIB_ERR_FORMAT, "value 3 is an output of node 'c' (Cos) and of node 'c' (Neg)"},
    {name_taken, SIB_ERR_FORMAT, "('a') has the name of another value"},
    {placed_early, SIB_ERR_FORMAT, "'early' (Cos): value 3 ('c') is read before its producer"},
    {nobody_makes, SIB_ERR_FORMAT, "('ghost') is read but has no producer"},
};

TEST(test_refusals)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        sample s;
        sample_begin(&s);
        graph before = *s.g;
        patch *p = begin(&s);
        refusals[i].how(&s, p);
        CHECK_FAILS(patch_apply(s.g, p, &s.w.err), refusals[i].code, s.w.err, refusals[i].words);
        assert_memory_equal(s.g, &before, sizeof before);
        assert_int_equal(s.inside->captures[0].outer, s.b);
        assert_int_equal(patch_moved(p, ABS), NO_NODE);
        CHECK_OK(graph_verify(s.g, &s.w.err), s.w.err);
        check_order(s.g, "Abs Identity Neg Hold Add Exp");
        patch_free(&p);
        sample_end(&s);
    }
}

TEST(test_ids)
{
    sample s, other;
    sample_begin(&s);
    sample_begin(&other);
    patch *p = begin(&s);
    node n = make_node("Cos", "c", IDS(99), IDS(s.c), 0, NULL);
    CHECK_FAILS(patch_rewire(p, 99, 0, &s.w.err), SIB_ERR_ARGUMENT, s.w.err, "value 99 of 7");
    CHECK_FAILS(patch_rewire(p, 0, 99, &s.w.err), SIB_ERR_ARGUMENT, s.w.err, "value 99 of 7");
    CHECK_FAILS(patch_drop(p, 6, &s.w.err), SIB_ERR_ARGUMENT, s.w.err, "node 6 of 6");
    CHECK_FAILS(patch_output(p, 1, 0, &s.w.err), SIB_ERR_ARGUMENT, s.w.err, "output 1 of 1");
    CHECK_FAILS(patch_node(p, NO_NODE, &n, &s.w.err), SIB_ERR_ARGUMENT, s.w.err, "value 99 of 7");
    CHECK_FAILS(patch_node(p, 7, &n, &s.w.err), SIB_ERR_ARGUMENT, s.w.err, "node 7 of 6");
    CHECK_FAILS(patch_apply(other.g, p, &s.w.err), SIB_ERR_ARGUMENT, s.w.err, "another graph");
    assert_true(patch_is_empty(p));
    CHECK_OK(patch_apply(s.g, p, &s.w.err), s.w.err);
    check_order(s.g, "Abs Identity Neg Hold Add Exp");
    patch_free(&p);
    sample_end(&s);
    sample_end(&other);
}

static const pass passes[] = {
    {"identity", "the input of an Identity is used in the place of its output", pass_identity},
    {"dead", "nodes whose outputs nobody uses are dropped", pass_dead},
};
#define N_PASSES (sizeof passes / sizeof *passes)

/* ---- Passes ------------------------------------------------------------------------------------------- */

static void run(sample *s, const pass_options *o, uint64_t expected, const char *order)
{
    uint64_t edits = 99;
    CHECK_OK(pass_run_all(s->g, passes, N_PASSES, o, &edits, &s->w.err), s->w.err);
    assert_int_equal(edits, expected);
    check_order(s->g, order);
}

TEST(test_passes)
{
    static const struct {
        pass_options options;
        uint64_t edits;
        const char *order;
    } runs[] = {
        {{0}, 2, "Abs Neg Hold Add"},
        {{.passes = "-dead"}, 1, "Abs Neg Hold Add Exp"},
        {{.passes = "-identity", .verify = true}, 1, "Abs Identity Neg Hold Add"},
        {{.passes = "-identity,-dead"}, 0, "Abs Identity Neg Hold Add Exp"},
        {{.passes = "-all"}, 0, "Abs Identity Neg Hold Add Exp"},
        {{.passes = "-all,dead"}, 1, "Abs Identity Neg Hold Add"},
        {{.limited = true}, 0, "Abs Identity Neg Hold Add Exp"},
        {{.limited = true, .limit = 1}, 1, "Abs Neg Hold Add Exp"},
        {{.limited = true, .limit = 2}, 2, "Abs Neg Hold Add"},
    };
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        sample s;
        sample_begin(&s);
        run(&s, &runs[i].options, runs[i].edits, runs[i].order);
        assert_int_equal(s.g->outputs.ids[0], s.y);
        assert_true(str_is(s.g->values[s.y].name, "y"));
        sample_end(&s);
    }
    sample s;
    sample_begin(&s);
    CHECK_FAILS(pass_run_all(s.g, passes, N_PASSES, &(pass_options){.passes = "-none"}, NULL, &s.w.err),
                SIB_ERR_ARGUMENT, s.w.err, "'none' is not a pass; the passes are identity, dead");
    sample_end(&s);
}

TEST(test_chosen_passes)
{
    static const struct {
        const char *words;
        bool identity, dead;
    } cases[] = {{NULL, true, true},
                 {"", true, true},
                 {"-dead", true, false},
                 {"-dead,dead", true, true},
                 {"-all,dead", false, true},
                 {"-all", false, false},
                 {"-identity,-dead", false, false},
                 {"dead", true, true},
                 {"-all,identity", true, false},
                 {"-dead,", true, false}};
    sib_error err = SIB_ERROR_INIT;
    bool chosen;
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_OK(pass_chosen(cases[i].words, passes, N_PASSES, "identity", &chosen, &err), err);
        assert_int_equal(chosen, cases[i].identity);
        CHECK_OK(pass_chosen(cases[i].words, passes, N_PASSES, "dead", &chosen, &err), err);
        assert_int_equal(chosen, cases[i].dead);
        CHECK_OK(pass_chosen(cases[i].words, passes, N_PASSES, "none", &chosen, &err), err);
        assert_false(chosen);
    }
    static const char *const wrong[] = {"dea", "-deadly", "-", "identity,x", "all x"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        CHECK_FAILS(pass_chosen(wrong[i], passes, N_PASSES, "dead", &chosen, &err), SIB_ERR_ARGUMENT, err,
                    "' is not a pass; the passes are identity, dead");
        assert_false(chosen);
    }
    static const pass twice[] = {{"a", "", pass_dead}, {"b", "", pass_dead}, {"a", "", pass_identity}};
    CHECK_FAILS(pass_chosen("c", twice, 3, "a", &chosen, &err), SIB_ERR_ARGUMENT, err,
                "'c' is not a pass; the passes are a, b");
    mem_fail_after(0);
    sib_code code = pass_chosen(NULL, passes, N_PASSES, "dead", &chosen, &err);
    mem_fail_never();
    CHECK_FAILS(code, SIB_ERR_MEMORY, err, "2 bytes for the passes");
}

/* An Identity that makes an output stays; a chain of dead nodes goes at once; subgraphs are rewritten too. */
TEST(test_pass_details)
{
    world w;
    world_begin(&w);
    value_id x = make_input(&w, "x"), i = add_op(&w, w.g, "Identity", IDS(x), "i");
    value_id j = add_op(&w, w.g, "Identity", IDS(i), "j"), k = add_op(&w, w.g, "Identity", IDS(j), "k");
    add_op(&w, w.g, "Exp", IDS(add_op(&w, w.g, "Cos", IDS(k), "dead1")), "dead2");
    graph *inside = make_inside(&w, k);
    add_op(&w, inside, "Tan", IDS(inside->captures[0].inner), "dead inside");
    value_id y = add_holder(&w, inside, "y");
    CHECK_OK(graph_add_output(w.g, k, &w.err), w.err);
    CHECK_OK(graph_add_output(w.g, y, &w.err), w.err);
    uint64_t edits;
    CHECK_OK(pass_run_all(w.g, passes, N_PASSES, NULL, &edits, &w.err), w.err);
    assert_int_equal(edits, 2 + 3);
    check_order(w.g, "Identity Hold");
    check_order(inside, "Neg");
    assert_int_equal(w.g->nodes[0].inputs.ids[0], x);
    assert_int_equal(w.g->values[k].producer, 0);
    world_end(&w);
}

static sib_code broken_pass(const graph *g, pass_run *r, patch *p, sib_error *err)
{
    (void)g;
    return pass_admit(r) ? patch_drop(p, ABS, err) : SIB_OK;
}

TEST(test_broken_pass)
{
    sample s;
    sample_begin(&s);
    const pass table[] = {{"harm", "drops what is used", broken_pass}};
    sib_code code = pass_run_all(s.g, table, 1, &(pass_options){.passes = "-all"}, NULL, &s.w.err);
    assert_int_equal(code, SIB_OK);
    graph_free(&s.inside->outer->nodes[HOLD].attributes[0].graph);
    s.g->nodes[HOLD].n_attributes = 0;
    CHECK_FAILS(pass_run_all(s.g, table, 1, NULL, NULL, &s.w.err), SIB_ERR_FORMAT, s.w.err, "pass harm: ");
    check_order(s.g, "Abs Identity Neg Hold Add Exp");
    sample_end(&s);
}

TEST(test_long_graph)
{
    world w;
    world_begin(&w);
    value_id v = make_input(&w, "x");
    for (int i = 0; i < 50000; i++)
        v = add_op(&w, w.g, i % 2 ? "Identity" : "Relu", IDS(v), "");
    CHECK_OK(graph_add_output(w.g, v, &w.err), w.err);
    uint64_t edits;
    CHECK_OK(pass_run_all(w.g, passes, N_PASSES, NULL, &edits, &w.err), w.err);
    assert_int_equal(edits, 24999); /* the last makes the output */
    assert_int_equal(w.g->n_nodes, 25001);
    world_end(&w);
}

/* ---- Memory ------------------------------------------------------------------------------------------- */

/* Patches s; any allocation may fail. */
static sib_code edit(sample *s, sib_error *err)
{
    patch *p = NULL;
    value_id m;
    sib_code code = patch_create(s->g, &p, err);
    if (code == SIB_OK)
        code = patch_value(p, str_of("m"), NULL, &m, err);
    if (code == SIB_OK) {
        node n = make_node("Cos", "m", (id_list){1, &s->a}, (id_list){1, &m}, 0, NULL);
        code = patch_node(p, NEG, &n, err);
    }
    if (code == SIB_OK)
        code = patch_rewire(p, s->b, m, err);
    if (code == SIB_OK)
        code = patch_drop(p, IDENTITY, err);
    if (code == SIB_OK)
        code = patch_output(p, 0, m, err);
    if (code == SIB_OK)
        code = patch_apply(s->g, p, err);
    patch_free(&p);
    return code;
}

/* One allocation fails, then all from there on. */
TEST(test_memory)
{
    sib_code code = SIB_ERR_MEMORY;
    for (uint64_t k = 0; code != SIB_OK; k++) {
        sib_error err = SIB_ERROR_INIT;
        sample s;
        sample_begin(&s);
        graph before = *s.g;
        (k % 2 ? mem_fail_after : mem_fail_once)(k / 2);
        code = edit(&s, &err);
        mem_fail_never();
        assert_true(code == SIB_OK || (code == SIB_ERR_MEMORY && err.code == SIB_ERR_MEMORY));
        if (code != SIB_OK)
            assert_memory_equal(s.g, &before, sizeof before);
        assert_int_equal(s.inside->captures[0].outer == s.b, code != SIB_OK);
        CHECK_OK(graph_verify(s.g, &err), err);
        sample_end(&s);
    }
}
