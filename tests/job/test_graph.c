/* What the graph of a job says of a loop in a loop: nodes, calls, types of ports, and where values come
   from. */
#include "check_memory.h"
#include "jobs.h"

static const char document[] =
    "{\"sibyl_job\": 1, \"kind\": \"test\", \"name\": \"tried\","
    " \"models\": {\"m\": \"count.onnx\"}, \"tokenizers\": {\"t\": {\"kind\": \"bytes\"}},"
    " \"calls\": {\"count\": {\"model\": \"m\", \"inputs\": {\"x\": \"x\"}, \"outputs\": {\"y\": \"y\"},"
    "   \"state\": {\"s\": \"next.s\"}}},"
    " \"inputs\": {\"words\": {\"type\": \"text\", \"default\": \"ab\"}, \"x\": \"tensor\", \"most\": "
    "\"number\"},"
    " \"nodes\": ["
    "  {\"name\": \"ids\", \"op\": \"tokenize\", \"doc\": \"letters\", \"tokenizer\": \"t\", \"inputs\": "
    "{\"text\": "
    "\"$words\", \"special\": false}},"
    "  {\"name\": \"outer\", \"op\": \"loop\", \"max_steps\": \"$most\","
    "   \"state\": {\"last\": {\"initial\": \"$x\", \"next\": \"$inner.step\"}},"
    "   \"body\": ["
    "    {\"name\": \"inner\", \"op\": \"loop\", \"over\": {\"row\": \"$last\"},"
    "     \"state\": {\"step\": {\"initial\": \"$last\", \"next\": \"$next.y\"}},"
    "     \"body\": [{\"name\": \"next\", \"op\": \"call\", \"calls\": {\"model\": \"count\"}, \"inputs\": "
    "{\"x\": "
    "\"$row\"}},"
    "       {\"name\": \"pick\", \"op\": \"sample\", \"inputs\": {\"logits\": \"$next.y\", \"tokens\": "
    "\"$ids\"}}],"
    "     \"until\": [\"$pick.end\"], \"collect\": {\"logprobs\": \"$pick.logprob\"}}]}],"
    " \"outputs\": {\"ids\": \"$ids\", \"last\": \"$outer\"}}";

enum { IDS, OUTER, INNER, NEXT, PICK };
#define NOWHERE SIB_JOB_NO_NODE

TEST(nodes_stand_in_loops_and_call_models)
{
    static const struct {
        const char *name, *op, *tokenizer;
        size_t loop;
    } expected[] = {{"ids", "tokenize", "t", NOWHERE},
                    {"outer", "loop", NULL, NOWHERE},
                    {"inner", "loop", NULL, OUTER},
                    {"next", "call", NULL, INNER},
                    {"pick", "sample", NULL, INNER}};
    sib_job *j = job_of(document);
    sib_job_node_info n;
    for (size_t i = 0; i < 5; i++) {
        assert_true(sib_job_node(j, i, &n));
        assert_string_equal(n.name, expected[i].name);
        assert_string_equal(n.op, expected[i].op);
        assert_int_equal(n.loop, expected[i].loop);
        assert_int_equal(!n.tokenizer, !expected[i].tokenizer);
        assert_string_equal(n.doc, i == IDS ? "letters"
                                   : i == NEXT
                                       ? "a model, by the ports of the call that 'calls' names as 'model'"
                                   : i == PICK ? "the next token, sampled from logits"
                                               : "a body of nodes, run repeatedly");
    }
    assert_false(sib_job_node(j, 5, &n));
    const char *as = NULL;
    assert_string_equal(sib_job_node_call(j, NEXT, 0, &as), "count");
    assert_string_equal(as, "model");
    assert_string_equal(sib_job_node_call(j, NEXT, 0, NULL), "count");
    assert_null(sib_job_node_call(j, NEXT, 1, &as));
    assert_null(sib_job_node_call(j, IDS, 0, &as));
    assert_null(sib_job_node_call(j, 5, 0, &as));
    sib_job_free(&j);
}

typedef struct expected_port {
    size_t node;
    sib_job_side side;
    size_t i;
    const char *name;
    sib_port_type type;
    bool optional;
    sib_job_origin from;
    size_t from_node, from_port;
} expected_port;

static const expected_port ports[] = {
    {IDS, SIB_JOB_TAKES, 0, "text", SIB_PORT_TEXT, true, SIB_JOB_FROM_INPUT, NOWHERE, 0},
    {IDS, SIB_JOB_TAKES, 1, "tokens", SIB_PORT_TOKENS, true, SIB_JOB_FROM_NOTHING, NOWHERE, 0},
    {IDS, SIB_JOB_TAKES, 3, "special", SIB_PORT_FLAG, true, SIB_JOB_FROM_LITERAL, NOWHERE, 0},
    {IDS, SIB_JOB_GIVES, 0, "tokens", SIB_PORT_TOKENS, false, SIB_JOB_FROM_NOTHING, NOWHERE, 0},
    {OUTER, SIB_JOB_TAKES, 0, "last", SIB_PORT_TENSOR, false, SIB_JOB_FROM_INPUT, NOWHERE, 1},
    {OUTER, SIB_JOB_TAKES, 1, "max_steps", SIB_PORT_NUMBER, false, SIB_JOB_FROM_INPUT, NOWHERE, 2},
    {OUTER, SIB_JOB_GIVES, 0, "last", SIB_PORT_TENSOR, false, SIB_JOB_FROM_NOTHING, NOWHERE, 0},
    {OUTER, SIB_JOB_BODY_TAKES, 0, "last", SIB_PORT_TENSOR, false, SIB_JOB_FROM_NOTHING, NOWHERE, 0},
    {OUTER, SIB_JOB_BODY_GIVES, 0, "last", SIB_PORT_TENSOR, false, SIB_JOB_FROM_NODE, INNER, 0},
    {INNER, SIB_JOB_TAKES, 0, "step", SIB_PORT_TENSOR, false, SIB_JOB_FROM_LOOP, OUTER, 0},
    {INNER, SIB_JOB_TAKES, 1, "row", SIB_PORT_TENSOR, false, SIB_JOB_FROM_LOOP, OUTER, 0},
    {INNER, SIB_JOB_GIVES, 1, "logprobs", SIB_PORT_NUMBERS, false, SIB_JOB_FROM_NOTHING, NOWHERE, 0},
    {INNER, SIB_JOB_BODY_TAKES, 1, "row", SIB_PORT_TENSOR, false, SIB_JOB_FROM_NOTHING, NOWHERE, 0},
    {INNER, SIB_JOB_BODY_GIVES, 0, "step", SIB_PORT_TENSOR, false, SIB_JOB_FROM_NODE, NEXT, 0},
    {INNER, SIB_JOB_BODY_GIVES, 1, "logprobs", SIB_PORT_NUMBER, false, SIB_JOB_FROM_NODE, PICK, 3},
    {INNER, SIB_JOB_BODY_GIVES, 2, "until", SIB_PORT_FLAG, false, SIB_JOB_FROM_NODE, PICK, 2},
    {NEXT, SIB_JOB_TAKES, 0, "x", SIB_PORT_TENSOR, false, SIB_JOB_FROM_LOOP, INNER, 1},
    {NEXT, SIB_JOB_GIVES, 0, "y", SIB_PORT_TENSOR, false, SIB_JOB_FROM_NOTHING, NOWHERE, 0},
    {PICK, SIB_JOB_TAKES, 0, "logits", SIB_PORT_TENSOR, false, SIB_JOB_FROM_NODE, NEXT, 0},
    {PICK, SIB_JOB_TAKES, 1, "tokens", SIB_PORT_TOKENS, true, SIB_JOB_FROM_NODE, IDS, 0},
};

TEST(ports_have_types_and_sources)
{
    sib_job *j = job_of(document);
    sib_job_port port;
    sib_job_source source;
    for (size_t i = 0; i < sizeof ports / sizeof *ports; i++) {
        const expected_port *e = &ports[i];
        assert_true(sib_job_node_port(j, e->node, e->side, e->i, &port, &source));
        if (strcmp(port.name, e->name) != 0 || port.type != e->type || port.optional != e->optional ||
            source.from != e->from || source.node != e->from_node || source.port != e->from_port ||
            (source.literal != NULL) != (e->from == SIB_JOB_FROM_LITERAL))
            fail_msg("port %zu of the table is '%s', %s, from %d, node %zu, port %zu", i, port.name,
                     sib_port_type_name(port.type), (int)source.from, source.node, source.port);
    }
    assert_true(sib_job_node_port(j, IDS, SIB_JOB_TAKES, 3, &port, &source));
    assert_int_equal(source.literal->type, SIB_PORT_FLAG);
    assert_false(source.literal->flag);
    assert_string_equal(port.doc, "find special tokens in the text (true)");
    assert_true(sib_job_node_port(j, NEXT, SIB_JOB_TAKES, 0, &port, NULL));
    assert_null(port.doc);
    static const struct {
        size_t node;
        sib_job_side side;
        size_t n;
    } ends[] = {{IDS, SIB_JOB_TAKES, 7},        {IDS, SIB_JOB_GIVES, 1},        {IDS, SIB_JOB_BODY_TAKES, 0},
                {IDS, SIB_JOB_BODY_GIVES, 0},   {OUTER, SIB_JOB_TAKES, 2},      {INNER, SIB_JOB_TAKES, 2},
                {INNER, SIB_JOB_BODY_TAKES, 2}, {INNER, SIB_JOB_BODY_GIVES, 3}, {5, SIB_JOB_TAKES, 0},
                {IDS, (sib_job_side)9, 0}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        size_t n = 0;
        while (sib_job_node_port(j, ends[i].node, ends[i].side, n, &port, &source))
            n++;
        assert_int_equal(n, ends[i].n);
    }
    assert_true(sib_job_output_source(j, 1, &source));
    assert_int_equal(source.from, SIB_JOB_FROM_NODE);
    assert_int_equal(source.node, OUTER);
    assert_false(sib_job_output_source(j, 2, &source));
    sib_job_free(&j);
}

TEST_FIXTURE(make_counting_folder, drop_folder)
