/* Functions in a document's text as its models. */
#include "check_memory.h"
#include "jobs.h"

static const char document[] =
    "{\"sibyl_job\": 1, \"kind\": \"arithmetic\", \"name\": \"own\", \"models\": {\"f\": {\"function\": "
    "\"<domain: "
    "\\\"local\\\", opset_import: [\\\"\\\" : 20]> less (x) => (y) { y = Neg (x) } <domain: \\\"local\\\", "
    "opset_import: [\\\"\\\" : 20, \\\"local\\\" : 1]> scaled (x, k) => (y, n) { p = Mul (x, k) y = "
    "local.less (p) n = "
    "Shape (x) }\", \"inputs\": {\"x\": [\"float32\", 2], \"k\": [\"float32\", 0]}, \"outputs\": [\"y\", "
    "\"n\"]}}, "
    "\"calls\": {\"c\": {\"model\": \"f\", \"inputs\": {\"x\": \"x\", \"k\": \"k\"}, \"outputs\": {\"y\": "
    "\"y\", \"n\": "
    "\"n\"}}}, \"inputs\": {\"k\": {\"type\": \"tensor\", \"default\": 3}}, \"nodes\": [{\"name\": \"a\", "
    "\"op\": "
    "\"call\", \"calls\": {\"model\": \"c\"}, \"inputs\": {\"x\": {\"dims\": [1, 2], \"data\": [1, 2]}, "
    "\"k\": "
    "\"$k\"}}], \"outputs\": {\"y\": \"$a.y\", \"n\": \"$a.n\"}}";

TEST(arithmetic_on_values)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = job_of(document);
    sib_job_result *r = run_with(j, 0, NULL, NULL);
    expect_tensor(sib_job_result_find(r, "y"), SIB_F32, DIMS(1, 2), OF(-3, -6));
    expect_tensor(sib_job_result_find(r, "n"), SIB_I64, DIMS(2), OF(1, 2));
    sib_job_result_free(&r);
    sib_job_free(&j);
    sib_job_options o = {.threads = 1};
    CHECK_EVERY_ALLOCATION(sib_job_open_text(document, sizeof document - 1, folder, &o, &j, &err),
                           sib_job_free(&j));
}

/* The document with `old` replaced. */
static void fails(const char *old, const char *new, const char *words)
{
    char text[3000];
    const char *at = strstr(document, old);
    assert_non_null(at);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - document), document, new, at + strlen(old));
    job_fails(text, SIB_ERR_FORMAT, words);
}

TEST(faults_have_their_place)
{
    fails("Mul (x, k)", "Mul (x, z)", "job 'own': /models/f: ");
    fails("[\"float32\", 2]", "[\"float\", 2]", "/models/f: its input 'x' is no [dtype, rank]");
    fails("[\"float32\", 2]", "[\"float32\", 17]", "/models/f: its input 'x' is no [dtype, rank]");
    fails("[\"y\", \"n\"]", "[]", "/models/f: a function needs 'function', 'inputs' and 'outputs'");
    fails("[\"y\", \"n\"]", "[\"y\", 1]", "/models/f: 'outputs' is no list of names");
    fails("[\"y\", \"n\"]", "[\"y\", \"n\"], \"more\": 1", "/models/f: unknown member 'more'");
    fails("[\"y\", \"n\"]", "[\"y\", \"n\", \"z\"]", "/models/f: ");
}

static sib_code lend(void *context, const char *name, sib_model **out, sib_error *err)
{
    (void)context;
    (void)name;
    (void)err;
    *out = NULL;
    return SIB_ERR_IO;
}

static sib_code lend_tokenizer(void *context, const char *name, sib_tokenizer **out, sib_error *err)
{
    (void)context;
    (void)name;
    (void)err;
    *out = NULL;
    return SIB_ERR_IO;
}

TEST(strangers_write_none)
{
    const sib_job_resolver from = {.model = lend, .tokenizer = lend_tokenizer};
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = NULL;
    CHECK_FAILS(sib_job_open_from(document, sizeof document - 1, &from, NULL, NULL, &j, &err),
                SIB_ERR_UNSUPPORTED, err, "/models/f: no functions are read here");
}

TEST_FIXTURE(make_folder, drop_folder)
