/* Documents whose models and tokenizers the caller gives: nothing else can be named, faults have their place. */
#include "check_memory.h"
#include "jobs.h"

#include "base/error.h"

/* MODEL and TOKENIZER: what the document says of them. */
#define DOCUMENT(MODEL, TOKENIZER)                                                                           \
    "{\"sibyl_job\": 1, \"kind\": \"test\", \"name\": \"given\", \"models\": {\"m\": \"" MODEL "\"},"        \
    " \"tokenizers\": {\"t\": {" TOKENIZER                                                                   \
    "}}, \"calls\": {\"count\": {\"model\": \"m\", \"inputs\": {\"x\": \"x\"},"                              \
    " \"outputs\": {\"y\": \"y\"}, \"state\": {\"s\": \"next.s\"}}}, \"inputs\": {\"x\": \"tensor\", "       \
    "\"words\": \"text\"},"                                                                                  \
    " \"nodes\": [{\"name\": \"ids\", \"op\": \"tokenize\", \"tokenizer\": \"t\", \"inputs\": {\"text\": "   \
    "\"$words\"}},"                                                                                          \
    " {\"name\": \"next\", \"op\": \"call\", \"calls\": {\"model\": \"count\"}, \"inputs\": {\"x\": "        \
    "\"$x\"}}],"                                                                                             \
    " \"outputs\": {\"ids\": \"$ids\", \"y\": \"$next.y\"}}"
static const char document[] = DOCUMENT("lent", "\"file\": \"lent\"");

typedef struct lender {
    sib_model *model;
    sib_tokenizer *tokenizer;
} lender;

static sib_code lend_model(void *context, const char *file, sib_model **out, sib_error *err)
{
    if (strcmp(file, "lent") != 0)
        return err_set(err, SIB_ERR_ARGUMENT, "there is no '%s'", file);
    *out = sib_model_keep(((lender *)context)->model);
    return SIB_OK;
}

static sib_code lend_tokenizer(void *context, const char *file, sib_tokenizer **out, sib_error *err)
{
    if (strcmp(file, "lent") != 0)
        return err_set(err, SIB_ERR_ARGUMENT, "there is no '%s'", file);
    *out = sib_tokenizer_keep(((lender *)context)->tokenizer);
    return SIB_OK;
}

static lender lent(void)
{
    lender l;
    sib_error err = SIB_ERROR_INIT;
    tiny t = counting();
    l.model = tiny_model(&t);
    CHECK_OK(sib_tokenizer_open(NULL, &(sib_tokenizer_options){.kind = "bytes"}, &l.tokenizer, &err), err);
    return l;
}

static void drop(lender *l)
{
    sib_model_free(&l->model);
    sib_tokenizer_free(&l->tokenizer);
}

static sib_code open_lent(lender *l, const char *text, sib_job_fault *fault, sib_job **out, sib_error *err)
{
    const sib_job_resolver from = {l, lend_model, lend_tokenizer};
    return sib_job_open_from(text, strlen(text), &from, &(sib_job_options){.threads = 1}, fault, out, err);
}

TEST(what_is_lent_stays_with_the_job)
{
    sib_error err = SIB_ERROR_INIT;
    lender l = lent();
    sib_job *j;
    const char *name = NULL;
    CHECK_OK(open_lent(&l, document, NULL, &j, &err), err);
    assert_ptr_equal(sib_job_model(j, 0, &name), l.model);
    assert_string_equal(name, "m");
    assert_null(sib_job_model(j, 1, &name));
    assert_ptr_equal(sib_job_tokenizer(j, 0), l.tokenizer);
    assert_string_equal(sib_job_tokenizer_name(j, 0), "t");
    assert_null(sib_job_tokenizer_name(j, 1));
    drop(&l);
    const sib_job_value given = {"words", {.type = SIB_PORT_TEXT, .text = {"ab", 2}}};
    sib_job_result *r;
    CHECK_OK(sib_job_run(j, 1, &given, 1, (const char *const[]){"ids"}, NULL, &r, &err), err);
    const sib_port_value *ids = sib_job_result_find(r, "ids");
    assert_int_equal(ids->tokens.n, 2);
    assert_int_equal(ids->tokens.ids[1], 'b');
    sib_job_result_free(&r);
    sib_job_free(&j);
}

TEST(faults_have_their_place)
{
    static const struct {
        const char *text, *path, *message;
        size_t line;
        sib_code code;
    } rows[] = {{"{\"sibyl_job\": 1,\n\n]", "", "string or '}' expected near ']'", 3, SIB_ERR_FORMAT},
                {"[]", "", "the job's document: expected an object", 0, SIB_ERR_FORMAT},
                {"{\"sibyl_job\": 1, \"kind\": 2}", "/kind", "expected a string", 0, SIB_ERR_FORMAT},
                {DOCUMENT("count.onnx", "\"file\": \"lent\""), "/models/m", "there is no 'count.onnx'", 0,
                 SIB_ERR_ARGUMENT},
                {DOCUMENT("lent", "\"file\": \"/etc/passwd\""), "/tokenizers/t", "there is no '/etc/passwd'",
                 0, SIB_ERR_ARGUMENT},
                {DOCUMENT("lent", "\"file\": \"lent\", \"kind\": \"gpt2\""), "/tokenizers/t",
                 "'lent' is of kind bytes, expected gpt2", 0, SIB_ERR_ARGUMENT},
                {DOCUMENT("lent", "\"file\": \"lent\", \"n_vocab\": 300"), "/tokenizers/t",
                 "'lent' has 256 ids, expected 300", 0, SIB_ERR_ARGUMENT}};
    lender l = lent();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        sib_error err = SIB_ERROR_INIT;
        sib_job_fault fault;
        sib_job *j;
        CHECK_FAILS(open_lent(&l, rows[i].text, &fault, &j, &err), rows[i].code, err, rows[i].message);
        assert_null(j);
        assert_string_equal(fault.path, rows[i].path);
        assert_int_equal(fault.line, rows[i].line);
        assert_string_equal(fault.message, rows[i].message);
    }
    drop(&l);
}

TEST(calls_that_do_not_fit_the_model_have_their_place)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job_fault fault;
    lender l = lent();
    sib_job *j;
    char text[2000], *at;
    snprintf(text, sizeof text, "%s", document);
    at = strstr(text, "\"x\": \"x\"");
    assert_non_null(at);
    at[6] = 'z';
    CHECK_FAILS(open_lent(&l, text, &fault, &j, &err), SIB_ERR_FORMAT, err,
                "job 'given': /calls/count: model 'm' has no input 'z'");
    assert_string_equal(fault.path, "/calls/count");
    assert_string_equal(fault.message, "model 'm' has no input 'z'");
    drop(&l);
}

TEST(arguments_and_memory)
{
    sib_error err = SIB_ERROR_INIT;
    const sib_job_resolver half = {NULL, lend_model, NULL};
    sib_job_fault fault;
    sib_job *j;
    CHECK_FAILS(sib_job_open_from(document, 1, &half, NULL, NULL, &j, &err), SIB_ERR_ARGUMENT, err, "NULL");
    lender l = lent();
    CHECK_OK(open_lent(&l, document, &fault, &j, &err), err); /* what the model keeps is made once */
    sib_job_free(&j);
    CHECK_EVERY_ALLOCATION(open_lent(&l, document, &fault, &j, &err), sib_job_free(&j));
    drop(&l);
}

TEST_FIXTURE(make_folder, drop_folder)
