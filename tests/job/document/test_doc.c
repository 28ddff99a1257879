/* Documents of jobs: the result of parsing a valid one, and each error with its path. */
#include "check_memory.h"
#include "job/nodes/nodes.h"
#include "run/tiny.h"

static const char base[] = //
    "{\"sibyl_job\": 1, \"kind\": \"test\", \"name\": \"base\", \"doc\": \"words\", \"sample_rate\": 8000,\n"
    " \"models\": {\"m\": \"m.onnx\"},\n"
    " \"tokenizers\": {\"t\": {\"kind\": \"bytes\", \"n_vocab\": 256}},\n"
    " \"calls\": {\n"
    "  \"a\": {\"model\": \"m\", \"inputs\": {\"x\": \"x\"}, \"outputs\": {\"y\": \"y\"},\n"
    "        \"state\": {\"s.*\": {\"name\": \"next.*\", \"dims\": [1, 0, 4], \"fill\": -1}}},\n"
    "  \"b\": {\"model\": \"m\", \"inputs\": {\"x\": {\"name\": \"x2\", \"transpose\": [1, 0]}, \"k\": "
    "\"k\"},\n"
    "        \"outputs\": {\"y.0\": \"y2\", \"y.1\": \"y3\"},\n"
    "        \"of\": \"a\", \"context\": {\"c\": \"y\"}, \"fixed\": {\"k\": [1, 2.5]}}},\n"
    " \"inputs\": {\"audio\": \"audio\", \"words\": {\"type\": \"text\", \"default\": \"$x\", \"doc\": \"a "
    "text\"},\n"
    "  \"list\": {\"type\": \"numbers\", \"default\": 2}, \"n\": {\"type\": \"number\"},\n"
    "  \"ids\": {\"type\": \"tokens\", \"default\": [0, 7]}, \"stops\": {\"type\": \"texts\", \"default\": "
    "\"one\"},\n"
    "  \"x\": {\"type\": \"tensor\", \"default\": 3}, \"flag\": {\"type\": \"flag\", \"default\": null}},\n"
    " \"nodes\": [\n"
    "  {\"name\": \"mel\", \"op\": \"features\", \"inputs\": {\"audio\": \"$audio\", \"preset\": \"$$5\", "
    "\"n_mels\": 80}},\n"
    "  {\"name\": \"split\", \"op\": \"tokenize\", \"doc\": \"?\", \"tokenizer\": \"t\", \"inputs\": "
    "{\"text\": \"$words\"}},\n"
    "  {\"name\": \"loop\", \"op\": \"loop\",\n"
    "   \"state\": {\"at\": {\"initial\": \"$split.tokens\", \"next\": \"$pick.token\"}},\n"
    "   \"over\": {\"row\": \"$mel\"}, \"max_steps\": \"$n\",\n"
    "   \"body\": [\n"
    "    {\"name\": \"model\", \"op\": \"call\", \"calls\": {\"model\": \"b\"}, \"inputs\": {\"x\": "
    "\"$row\"}},\n"
    "    {\"name\": \"pick\", \"op\": \"sample\", \"inputs\": {\"logits\": \"$model.y.0\", \"tokens\": "
    "\"$at\", \"seed\": 1}}\n"
    "   ],\n"
    "   \"until\": [\"$pick.end\"],\n"
    "   \"collect\": {\"tokens\": \"$pick.shown\", \"logprobs\": \"$pick.logprob\", \"rows\": \"$row\"}}\n"
    " ],\n"
    " \"outputs\": {\"tokens\": \"$loop.tokens\", \"mel\": {\"from\": \"$mel.features\", \"doc\": \"of "
    "it\"},\n"
    "  \"end\": \"$loop.at\", \"how\": \"$loop.logprobs\"}}";

/* The base with the only occurrence of `old` replaced; release with free. */
static char *changed(const char *old, const char *new)
{
    const char *at = strstr(base, old);
    if (!at || strstr(at + 1, old))
        fail_msg("'%s' stands %s", old, at ? "twice" : "nowhere");
    size_t size = sizeof base - strlen(old) + strlen(new);
    char *text = malloc(size);
    snprintf(text, size, "%.*s%s%s", (int)(at - base), base, new, at + strlen(old));
    return text;
}

static job_doc *read_base(void)
{
    sib_error err = SIB_ERROR_INIT;
    job_doc *d = NULL;
    CHECK_OK(job_doc_read("file", base, sizeof base - 1, job_ops, NULL, &d, &err), err);
    return d;
}

TEST(a_right_document_is_read)
{
    job_doc *d = read_base();
    assert_string_equal(d->kind, "test");
    assert_string_equal(d->text, "words");
    assert_true(d->sample_rate == 8000);
    assert_int_equal(d->n_models, 1);
    assert_string_equal(d->models[0].path, "m.onnx");
    assert_string_equal(d->tokenizers[0].kind, "bytes");
    assert_int_equal(d->tokenizers[0].n_vocab, 256);
    assert_int_equal(d->n_calls, 2);
    const job_call_doc *a = &d->calls[0], *b = &d->calls[1];
    assert_int_equal(a->of, NO_INDEX);
    assert_string_equal(a->state.items[0].to, "next.*");
    assert_int_equal(a->state.items[0].n_dims, 3);
    assert_int_equal(a->state.items[0].dims[2], 4);
    assert_true(a->state.items[0].fill == -1);
    assert_int_equal(b->of, 0);
    assert_int_equal(b->inputs.items[0].n_transpose, 2);
    assert_int_equal(b->inputs.items[0].transpose[0], 1);
    assert_int_equal(b->n_fixed, 1);
    assert_true(b->fixed[0].n == 2 && b->fixed[0].data[1] == 2.5);
    assert_int_equal(d->n_inputs, 8);
    const struct {
        sib_port_type type;
        bool optional, value;
    } inputs[] = {{SIB_PORT_AUDIO, false, false}, {SIB_PORT_TEXT, true, true},
                  {SIB_PORT_NUMBERS, true, true}, {SIB_PORT_NUMBER, false, false},
                  {SIB_PORT_TOKENS, true, true},  {SIB_PORT_TEXTS, true, true},
                  {SIB_PORT_TENSOR, true, true},  {SIB_PORT_FLAG, true, false}};
    for (size_t i = 0; i < 8; i++) {
        const job_value *held = d->literals[d->inputs[i].slot];
        assert_int_equal(d->inputs[i].type, inputs[i].type);
        assert_int_equal(d->inputs[i].optional, inputs[i].optional);
        assert_int_equal(held != NULL, inputs[i].value);
        if (held)
            assert_int_equal(held->v.type, inputs[i].type);
    }
    assert_string_equal(d->literals[d->inputs[1].slot]->v.text.data,
                        "$x"); /* no reference: a default is a literal */
    assert_int_equal(d->literals[d->inputs[4].slot]->v.tokens.ids[1], 7);
    assert_int_equal(d->block.n, 3);
    assert_int_equal(d->n_nodes, 5);
    const job_node *mel = &d->block.nodes[0], *loop = &d->block.nodes[2];
    assert_string_equal(mel->op->name, "features");
    assert_int_equal(mel->in[0], d->inputs[0].slot);
    assert_string_equal(d->literals[mel->in[1]]->v.text.data, "$5");
    assert_int_equal(mel->in[3], NO_SLOT);
    assert_int_equal(loop->n_outputs, 4);
    assert_string_equal(loop->outputs[0].name, "at");
    assert_int_equal(loop->outputs[1].type, SIB_PORT_TOKENS);
    assert_int_equal(loop->outputs[2].type, SIB_PORT_NUMBERS);
    assert_int_equal(loop->outputs[3].type, SIB_PORT_TENSOR);
    assert_int_equal(loop->loop->body.n, 2);
    assert_int_equal(loop->loop->states[0].initial, d->block.nodes[1].out);
    assert_int_equal(loop->loop->over[0].list, mel->out);
    assert_int_equal(loop->loop->max_steps, d->inputs[3].slot);
    const job_node *model = &loop->loop->body.nodes[0];
    assert_int_equal(model->calls[0], 1);
    assert_true(model->inputs[0].required && !model->inputs[1].required); /* the second has a fixed value */
    assert_int_equal(d->n_outputs, 4);
    assert_int_equal(d->outputs[1].slot, mel->out);
    assert_string_equal(d->outputs[1].doc, "of it");
    assert_int_equal(d->outputs[2].slot, loop->out);
    job_doc_free(&d);
    job_doc_free(&d);
    assert_null(d);
}

typedef struct fault {
    const char *old, *new; /* text to replace in the base */
    sib_code code;
    const char *path, *words;
} fault;

#define BAD SIB_ERR_FORMAT
static const fault faults[] = {
    /* the head */
    {"\"sibyl_job\": 1, ", "", BAD, "/sibyl_job", "expected the version"},
    {"\"sibyl_job\": 1", "\"sibyl_job\": \"1\"", BAD, "/sibyl_job", "expected the version"},
    {"\"sibyl_job\": 1", "\"sibyl_job\": 2", SIB_ERR_UNSUPPORTED, "/sibyl_job", "version 2 is not known"},
    {"\"doc\": \"words\"", "\"docs\": \"words\"", BAD, "/", "unknown member 'docs'"},
    {"\"doc\": \"words\"", "\"doc\": 3", BAD, "/doc", "expected a string"},
    {"\"kind\": \"test\", ", "", BAD, "/kind", "expected a string"},
    {"\"kind\": \"test\"", "\"kind\": 7", BAD, "/kind", "expected a string"},
    {"\"name\": \"base\"", "\"name\": []", BAD, "/name", "expected a string"},
    {"\"sample_rate\": 8000", "\"sample_rate\": 0", BAD, "/sample_rate", "1 to 1000000"},
    {"\"sample_rate\": 8000", "\"sample_rate\": \"8 kHz\"", BAD, "/sample_rate", "1 to 1000000"},
    /* models and tokenizers */
    {"\"models\": {\"m\": \"m.onnx\"}", "\"models\": [\"m.onnx\"]", BAD, "/models", "expected an object"},
    {"\"m.onnx\"", "7", BAD, "/models", "'m' is not a path"},
    {"{\"m\": \"m.onnx\"}", "{\"m\": \"m.onnx\", \"a/b\": \"\"}", BAD, "/models",
     "'a/b' is not a valid name"},
    {"{\"kind\": \"bytes\", \"n_vocab\": 256}", "\"bytes\"", BAD, "/tokenizers/t", "expected an object"},
    {"\"kind\": \"bytes\"", "\"kind\": \"whisper\"", BAD, "/tokenizers/t", "does not name a file"},
    {"\"kind\": \"bytes\"", "\"kind\": 1", BAD, "/tokenizers/t/kind", "expected a string"},
    {"\"kind\": \"bytes\"", "\"vocabulary\": 1", BAD, "/tokenizers/t", "unknown member 'vocabulary'"},
    {"\"n_vocab\": 256", "\"n_vocab\": 4194305", BAD, "/tokenizers/t", "'n_vocab' is not a number of tokens"},
    {"\"n_vocab\": 256", "\"n_vocab\": -1", BAD, "/tokenizers/t", "'n_vocab' is not a number of tokens"},
    /* calls */
    {"\"a\": {\"model\": \"m\"", "\"a\": {\"model\": \"n\"", BAD, "/calls/a", "there is no model 'n'"},
    {"\"a\": {\"model\": \"m\"", "\"a\": {\"model\": 3", BAD, "/calls/a/model", "expected a string"},
    {"{\"x\": \"x\"}", "[\"x\"]", BAD, "/calls/a/inputs", "expected an object"},
    {"{\"x\": \"x\"}", "{\"x\": 1}", BAD, "/calls/a/inputs", "'x' is empty"},
    {"{\"x\": \"x\"}", "{\"x.*\": \"x\"}", BAD, "/calls/a/inputs", "must both have one *"},
    {"{\"x\": \"x\"}", "{\"x.*\": \"x**\"}", BAD, "/calls/a/inputs", "must both have one *"},
    {"\"outputs\": {\"y\": \"y\"},\n        \"state\"", "\"outputs\": {}, \"states\"", BAD, "/calls/a",
     "unknown member 'states'"},
    {"\"dims\": [1, 0, 4]", "\"dims\": [1, -1, 4]", BAD, "/calls/a/state", "no dims under 'dims'"},
    {"\"dims\": [1, 0, 4]", "\"dims\": 4", BAD, "/calls/a/state", "no dims under 'dims'"},
    {"\"dims\": [1, 0, 4]", "\"dims\": [8192, 8193]", SIB_ERR_SIZE, "/calls/a/state",
     "has more than 67108864 elements"},
    {"\"dims\": [1, 0, 4]", "\"dims\": [4611686018427387904, 4]", SIB_ERR_SIZE, "/calls/a/state", "elements"},
    {"\"fill\": -1", "\"fill\": \"x\"", BAD, "/calls/a/state", "no number under 'fill'"},
    {"\"fill\": -1", "\"full\": 1", BAD, "/calls/a/state", "unknown member 'full'"},
    {"\"transpose\": [1, 0]", "\"transpose\": [1, 1]", BAD, "/calls/b/inputs", "no order of axes"},
    {"\"transpose\": [1, 0]", "\"transpose\": [0, 2]", BAD, "/calls/b/inputs", "no order of axes"},
    {"\"transpose\": [1, 0]", "\"transpose\": [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]", BAD,
     "/calls/b/inputs", "no order of axes"},
    {"\"outputs\": {\"y.0\": \"y2\", \"y.1\": \"y3\"},", "", BAD, "/calls/b", "the call has no outputs"},
    {"\"of\": \"a\", ", "", BAD, "/calls/b", "'context' and 'of' must be given together"},
    {", \"context\": {\"c\": \"y\"}", "", BAD, "/calls/b", "'context' and 'of' must be given together"},
    {"\"of\": \"a\"", "\"of\": \"b\"", BAD, "/calls/b", "no call 'b' before this one"},
    {"\"fixed\": {\"k\": [1, 2.5]}", "\"fixed\": {\"k\": [1, \"2\"]}", BAD, "/calls/b", "no number for 'k'"},
    {"\"fixed\": {\"k\": [1, 2.5]}", "\"fixed\": 1", BAD, "/calls/b/fixed", "expected an object"},
    /* inputs */
    {"\"inputs\": {\"audio\": \"audio\",", "\"inputs\": {\"audio\": \"sound\",", BAD, "/inputs/audio",
     "'sound' is not a port type"},
    {"\"audio\": \"audio\"", "\"audio\": 1", BAD, "/inputs/audio", "expected an object"},
    {"\"audio\": \"audio\"", "\"audio\": {}", BAD, "/inputs/audio", "'' is not a port type"},
    {"\"audio\": \"audio\"", "\"audio\": \"segments\"", SIB_ERR_UNSUPPORTED, "/inputs/audio",
     "only be outputs"},
    {"{\"type\": \"number\"}", "{\"type\": \"number\", \"min\": 0}", BAD, "/inputs/n",
     "unknown member 'min'"},
    {"\"default\": \"$x\"", "\"default\": 3", BAD, "/inputs/words", "literal of type text"},
    {"\"default\": 2", "\"default\": [1, true]", BAD, "/inputs/list", "literal of type numbers"},
    {"\"default\": [0, 7]", "\"default\": [0, -7]", BAD, "/inputs/ids", "literal of type tokens"},
    {"\"default\": [0, 7]", "\"default\": [0, 4294967296]", BAD, "/inputs/ids", "literal of type tokens"},
    {"\"default\": [0, 7]", "\"default\": [0.5]", BAD, "/inputs/ids", "literal of type tokens"},
    {"\"default\": \"one\"", "\"default\": [\"one\", 2]", BAD, "/inputs/stops", "literal of type texts"},
    {"\"default\": null", "\"default\": \"true\"", BAD, "/inputs/flag", "literal of type flag"},
    {"\"n\": {\"type\"", "\"n.m\": {\"type\"", BAD, "/inputs/n.m", "'n.m' is not a valid name"},
    /* nodes */
    {"{\"name\": \"mel\", \"op\": \"features\", ", "{\"name\": \"mel\", ", BAD, "/nodes/0",
     "'name' and an 'op'"},
    {"\"name\": \"mel\"", "\"name\": \"\"", BAD, "/nodes/0", "is not a valid name"},
    {"\"name\": \"mel\"", "\"name\": \"m[0]\"", BAD, "/nodes/0", "is not a valid name"},
    {"\"name\": \"mel\"", "\"name\": \"audio\"", BAD, "/nodes/0", "the name 'audio' is taken"},
    {"\"name\": \"split\"", "\"name\": \"mel\"", BAD, "/nodes/1", "the name 'mel' is taken"},
    {"\"op\": \"features\"", "\"op\": \"future\"", SIB_ERR_UNSUPPORTED, "/nodes/0",
     "there is no op 'future'"},
    {"\"doc\": \"?\"", "\"dock\": \"?\"", BAD, "/nodes/1", "unknown member 'dock'"},
    {"\"doc\": \"?\"", "\"body\": []", BAD, "/nodes/1", "unknown member 'body'"},
    {"\"doc\": \"?\"", "\"doc\": 1", BAD, "/nodes/1/doc", "expected a string"},
    {"\"preset\": \"$$5\"", "\"pre\": \"$$5\"", BAD, "/nodes/0", "'features' has no port 'pre'"},
    {"\"n_mels\": 80", "\"n_mels\": \"80\"", BAD, "/nodes/0/inputs/n_mels", "literal of type number"},
    {"\"n_mels\": 80", "\"n_mels\": \"$words\"", BAD, "/nodes/0/inputs/n_mels",
     "'$words' is of type text, expected number"},
    {"{\"audio\": \"$audio\", ", "{", BAD, "/nodes/0/inputs/audio", "this port has no value"},
    {"{\"audio\": \"$audio\", ", "{\"audio\": null, ", BAD, "/nodes/0/inputs/audio",
     "this port has no value"},
    {"{\"audio\": \"$audio\", ", "{\"audio\": \"$loop.rows\", ", BAD, "/nodes/0/inputs/audio",
     "'loop' does not exist before this node"},
    {"{\"audio\": \"$audio\", ", "{\"audio\": \"$\", ", BAD, "/nodes/0/inputs/audio",
     "'' does not exist before"},
    {"\"inputs\": {\"text\": \"$words\"}", "\"inputs\": [\"$words\"]", BAD, "/nodes/1/inputs", "an object"},
    {"\"tokenizer\": \"t\"", "\"tokenizer\": \"u\"", BAD, "/nodes/1", "there is no tokenizer 'u'"},
    {"\"tokenizer\": \"t\", ", "", BAD, "/nodes/1", "there is no tokenizer ''"},
    {"\"tokenizer\": \"t\", ", "\"tokenizer\": [], ", BAD, "/nodes/1/tokenizer", "expected a string"},
    {"\"op\": \"features\"", "\"op\": \"features\", \"tokenizer\": \"t\"", BAD, "/nodes/0",
     "does not use a tokenizer"},
    {"\"calls\": {\"model\": \"b\"}", "\"calls\": {\"model\": \"c\"}", BAD, "/nodes/2/body/0",
     "there is no call 'c'"},
    {"\"calls\": {\"model\": \"b\"}", "\"calls\": {\"model\": 4}", BAD, "/nodes/2/body/0", "no call ''"},
    {"\"calls\": {\"model\": \"b\"}", "\"calls\": {}", BAD, "/nodes/2/body/0", "does not name 'model'"},
    {"\"calls\": {\"model\": \"b\"}", "\"calls\": \"b\"", BAD, "/nodes/2/body/0/calls", "expected an object"},
    {"\"calls\": {\"model\": \"b\"}", "\"calls\": {\"model\": \"b\", \"other\": \"a\"}", BAD,
     "/nodes/2/body/0", "names that op 'call' does not use"},
    {"\"y.0\": \"y2\", \"y.1\": \"y3\"", "\"y.*\": \"y*\"", BAD, "/nodes/2/body/0", "ports by pattern"},
    {"\"$model.y.0\"", "\"$model\"", BAD, "/nodes/2/body/1/inputs/logits", "2 ports: name one as $node.port"},
    {"\"$model.y.0\"", "\"$model.z\"", BAD, "/nodes/2/body/1/inputs/logits", "'model' has no port 'z'"},
    {"\"$model.y.0\"", "\"$audio.y\"", BAD, "/nodes/2/body/1/inputs/logits", "'audio' has no port 'y'"},
    /* loops */
    {"{\"initial\": \"$split.tokens\", ", "{", BAD, "/nodes/2/state/at/initial", "expected a reference"},
    {"{\"initial\": \"$split.tokens\", ", "{\"initial\": [1], ", BAD, "/nodes/2/state/at/initial",
     "a reference"},
    {", \"next\": \"$pick.token\"", "", BAD, "/nodes/2/state/at/next", "literal of type tokens"},
    {"\"next\": \"$pick.token\"", "\"next\": null", BAD, "/nodes/2/state/at/next", "expected a reference"},
    {"\"next\": \"$pick.token\"", "\"next\": \"$pick.end\"", BAD, "/nodes/2/state/at/next",
     "is of type flag"},
    {"\"next\": \"$pick.token\"", "\"next\": \"$pick.token\", \"last\": 1", BAD, "/nodes/2/state/at",
     "unknown member 'last'"},
    {"\"state\": {\"at\"", "\"state\": {\"row\"", BAD, "/nodes/2/over/row", "the name 'row' is taken"},
    {"\"state\": {\"at\"", "\"state\": {\"mel\"", BAD, "/nodes/2/state/mel", "the name 'mel' is taken"},
    {"{\"row\": \"$mel\"}", "{\"row\": \"$ids\"}", BAD, "/nodes/2/over/row", "expected a tensor"},
    {"{\"row\": \"$mel\"}", "\"$mel\"", BAD, "/nodes/2/over", "expected an object"},
    {"\"max_steps\": \"$n\"", "\"max_steps\": \"$words\"", BAD, "/nodes/2/max_steps", "is of type text"},
    {"\"until\": [\"$pick.end\"]", "\"until\": \"$pick.logprob\"", BAD, "/nodes/2/until",
     "is of type number"},
    {"\"until\": [\"$pick.end\"]", "\"until\": [null]", BAD, "/nodes/2/until", "a reference to a flag"},
    {"\"until\"", "\"while\"", BAD, "/nodes/2", "unknown member 'while'"},
    {"\"tokens\": \"$pick.shown\", ", "\"tokens\": \"$pick.end\", ", BAD, "/nodes/2/collect/tokens",
     "items of type flag cannot be collected"},
    {"\"tokens\": \"$pick.shown\", ", "\"at\": \"$pick.shown\", ", BAD, "/nodes/2/collect/at",
     "taken by a state"},
    {"\"tokens\": \"$pick.shown\", ", "\"t.0\": \"$pick.shown\", ", BAD, "/nodes/2/collect/t.0",
     "is not a valid name"},
    /* outputs */
    {"\"$loop.at\"", "\"$pick.token\"", BAD, "/outputs/end", "'pick' does not exist before this node"},
    {"\"$loop.at\"", "\"at\"", BAD, "/outputs/end", "expected a reference"},
    {"\"$loop.at\"", "\"$loop\"", BAD, "/outputs/end", "4 ports: name one as $node.port"},
    {"{\"from\": \"$mel.features\", ", "{", BAD, "/outputs/mel", "expected a reference"},
    {"\"doc\": \"of it\"", "\"docs\": \"of it\"", BAD, "/outputs/mel",
     "unknown member 'docs' (known: from, doc)"},
    {"\"how\"", "\"../how\"", BAD, "/outputs/../how", "is not a valid name"},
};

TEST(every_fault_is_told_with_its_path)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const fault *f = &faults[i];
        char *text = changed(f->old, f->new), place[200];
        sib_error err = SIB_ERROR_INIT;
        job_doc *d = NULL;
        sib_code code = job_doc_read("file", text, strlen(text), job_ops, NULL, &d, &err);
        bool named = !strcmp(f->old, "\"name\": \"base\"");
        snprintf(place, sizeof place, "job '%s': %s: ", named ? "" : "base", f->path);
        if (code != f->code || err.code != code || strncmp(err.message, place, strlen(place)) ||
            !strstr(err.message, f->words))
            fail_msg("%s for %s: %s '%s', expected %s '%s%s'", f->new, f->old, sib_code_name(code),
                     err.message, sib_code_name(f->code), place, f->words);
        assert_null(d);
        free(text);
    }
    print_message("%zu faults\n", sizeof faults / sizeof *faults);
}

TEST(tensors_are_said_by_objects)
{
    sib_error err = SIB_ERROR_INIT;
    static const struct {
        const char *literal, *fault; /* fault: NULL for a tensor of dims (rank), whose elements are `data` */
        sib_dtype dtype;
        size_t rank;
        int64_t dims[2];
        double data[4];
    } cases[] = {
        {"{\"dtype\": \"int64\", \"dims\": [2, 2], \"data\": [1, -2, 3, 4.5]}",
         NULL,
         SIB_I64,
         2,
         {2, 2},
         {1, -2, 3, 4}},
        {"{\"data\": [1, 2.5]}", NULL, SIB_F32, 1, {2}, {1, 2.5}},
        {"{\"dims\": [1, 3], \"dtype\": \"float16\", \"data\": 7}", NULL, SIB_F16, 2, {1, 3}, {7, 7, 7}},
        {"{\"dtype\": \"bool\", \"data\": 1}", NULL, SIB_BOOL, 0, {0}, {1}},
        {"{\"dims\": [0, 4], \"data\": []}", NULL, SIB_F32, 2, {0, 4}, {0}},
        {"{\"data\": [1, \"2\"]}", "'data' is neither a number nor a list of 2 numbers", 0, 0, {0}, {0}},
        {"{\"dims\": [3], \"data\": [1, 2]}", "a list of 3 numbers", 0, 0, {0}, {0}},
        {"{\"dims\": [3]}", "'data' is neither", 0, 0, {0}, {0}},
        {"{\"dims\": 3, \"data\": 1}", "'dims' are no dims", 0, 0, {0}, {0}},
        {"{\"dims\": [-1], \"data\": 1}", "'dims' are no dims", 0, 0, {0}, {0}},
        {"{\"dims\": [4194305], \"data\": 1}", "at most 4194304 elements", 0, 0, {0}, {0}},
        {"{\"dims\": [65536, 65536], \"data\": 1}", "at most 4194304 elements", 0, 0, {0}, {0}},
        {"{\"dtype\": \"string\", \"data\": 1}", "'dtype' is 'string'", 0, 0, {0}, {0}},
        {"{\"dtype\": \"float\", \"data\": 1}", "'dtype' is 'float'", 0, 0, {0}, {0}},
        {"{\"type\": \"int8\", \"data\": 1}", "unknown member 'type'", 0, 0, {0}, {0}}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        job_doc *d = NULL;
        char literal[200], *text;
        snprintf(literal, sizeof literal, "{\"type\": \"tensor\", \"default\": %s}", cases[i].literal);
        text = changed("{\"type\": \"tensor\", \"default\": 3}", literal);
        if (cases[i].fault) {
            CHECK_FAILS(job_doc_read("file", text, strlen(text), job_ops, NULL, &d, &err), SIB_ERR_FORMAT,
                        err, cases[i].fault);
        } else {
            CHECK_OK(job_doc_read("file", text, strlen(text), job_ops, NULL, &d, &err), err);
            tiny_expect(d->literals[d->inputs[6].slot]->tensor, cases[i].dtype, cases[i].rank, cases[i].dims,
                        cases[i].data);
            job_doc_free(&d);
        }
        if (i == 0)
            CHECK_EVERY_ALLOCATION(job_doc_read("file", text, strlen(text), job_ops, NULL, &d, &err),
                                   job_doc_free(&d));
        free(text);
    }
}

/* Invalid documents that are not variants of the base. */
TEST(what_is_no_document_is_refused)
{
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "line 1"},
        {"{", "line 1"},
        {"[]", "expected an object"},
        {"3", "line 1"}, /* this reader does not accept a single value as a document */
        {"{\"sibyl_job\": 1, \"sibyl_job\": 1}", "duplicate object key"},
        {"{\"sibyl_job\": 1, \"kind\": \"\xFF\"}", "unable to decode byte"},
        {"{\"sibyl_job\": 1, \"kind\": \"a\\u0000b\"}", "\\u0000"},
        {"{\"sibyl_job\": 1, \"kind\": \"k\"}", "/inputs: expected an object"},
        {"{\"sibyl_job\": 1, \"kind\": \"k\", \"inputs\": {}}", "/nodes: expected a list of nodes"},
        {"{\"sibyl_job\": 1, \"kind\": \"k\", \"inputs\": {}, \"nodes\": []}",
         "/nodes: expected a list of nodes"},
        {"{\"sibyl_job\": 1, \"kind\": \"k\", \"inputs\": {}, \"nodes\": [3]}",
         "/nodes/0: a node must have a 'name'"},
        {"{\"sibyl_job\": 1, \"kind\": \"k\", \"inputs\": {\"a\": \"audio\"}, \"nodes\": [{\"name\": \"f\", "
         "\"op\": "
         "\"features\", \"inputs\": {\"audio\": \"$a\"}}]}",
         "/outputs: a job must have an output"},
        {"{\"sibyl_job\": 1, \"kind\": \"k\", \"inputs\": {\"n\": \"number\"}, \"nodes\": [{\"name\": \"f\", "
         "\"op\": "
         "\"loop\", \"state\": {\"m\": {\"initial\": \"$n\", \"next\": \"$n\"}}, \"body\": [{\"name\": "
         "\"g\", \"op\": "
         "\"loop\", \"max_steps\": 3, \"body\": []}]}]}",
         "/nodes/0/body/0/body: expected a list of nodes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_error err = SIB_ERROR_INIT;
        job_doc *d = NULL;
        CHECK_FAILS(job_doc_read("file", cases[i].text, strlen(cases[i].text), job_ops, NULL, &d, &err),
                    SIB_ERR_FORMAT, err, cases[i].words);
        assert_null(d);
    }
}

/* `depth` nested loops around a node that tokenizes; the innermost ends by max_steps, if `ends`. */
static char *nested(size_t depth, bool ends)
{
    size_t room = 400 + 100 * depth, n = 0;
    char *text = malloc(room);
    n += (size_t)snprintf(text, room,
                          "{\"sibyl_job\": 1, \"kind\": \"k\", \"tokenizers\": {\"t\": {\"kind\": "
                          "\"bytes\"}}, \"inputs\": {}, \"nodes\": [");
    for (size_t i = 0; i < depth; i++)
        n += (size_t)snprintf(text + n, room - n, "{\"name\": \"l%zu\", \"op\": \"loop\", %s\"body\": [", i,
                              ends ? "\"max_steps\": 1, " : "");
    n += (size_t)snprintf(
        text + n, room - n,
        "{\"name\": \"w\", \"op\": \"tokenize\", \"tokenizer\": \"t\", \"inputs\": {\"text\": \"a\"}}");
    for (size_t i = 0; i < depth; i++)
        n += (size_t)snprintf(text + n, room - n, "]%s}",
                              i == 0 ? ", \"collect\": {\"t\": \"$w.tokens\"}" : "");
    snprintf(text + n, room - n, "], \"outputs\": {\"t\": \"%s\"}}", depth == 1 ? "$l0.t" : "$x");
    return text;
}

TEST(loops_end_and_are_not_too_deep)
{
    const struct {
        size_t depth;
        bool ends;
        sib_code code;
        const char *words;
    } cases[] = {{1, true, SIB_OK, ""},
                 {1, false, SIB_ERR_FORMAT, "/nodes/0: nothing ends the loop"},
                 {8, true, SIB_ERR_FORMAT, "/outputs/t: 'x' does not exist before"},
                 {9, true, SIB_ERR_SIZE, "more than 8 deep"},
                 {400, true, SIB_ERR_SIZE, "more than 8 deep"},
                 {100000, true, SIB_ERR_FORMAT, "depth"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = nested(cases[i].depth, cases[i].ends);
        sib_error err = SIB_ERROR_INIT;
        job_doc *d = NULL;
        sib_code code = job_doc_read("file", text, strlen(text), job_ops, NULL, &d, &err);
        if (code != cases[i].code || !strstr(err.message, cases[i].words))
            fail_msg("%zu loops: %s, %s", cases[i].depth, sib_code_name(code), err.message);
        job_doc_free(&d);
        free(text);
    }
}

TEST(a_place_in_bad_json_is_a_byte)
{
    sib_error err = SIB_ERROR_INIT;
    job_doc *d = NULL;
    static const char text[] = "{\"sibyl_job\": 1,\n \"kind\" 3}";
    assert_int_equal(job_doc_read("file", text, sizeof text - 1, job_ops, NULL, &d, &err), SIB_ERR_FORMAT);
    assert_true(err.offset >= 18 && err.offset < sizeof text);
    assert_non_null(strstr(err.message, "line 2"));
}

TEST(memory_may_fail_anywhere)
{
    job_doc *d = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_SOME_ALLOCATIONS(check_k + 1, job_doc_read("file", base, sizeof base - 1, job_ops, NULL, &d, &err),
                           {
                               assert_true(err.code == SIB_OK ? check_k > 19 : !d);
                               job_doc_free(&d);
                           });
}
