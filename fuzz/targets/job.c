/* A job's document over a small model and a tokenizer of bytes: opened, and run on a tenth of a second. */
#include "fuzz.h"

#include <sibyl/build.h>
#include <sibyl/job.h>

/* y = x + s and next.s = s + 1, of [N]; slow = x - s. */
static sib_code fill(sib_build *b, sib_error *err)
{
    static const char *const names[][3] = {{"x", "s", "y"}, {"s", "one", "next.s"}, {"x", "s", "slow"}};
    static const char *const types[] = {"Add", "Add", "Sub"}, *const symbols[] = {"N"};
    const int64_t any = -1, single = 1;
    float one = 1;
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_wrap(SIB_F32, 1, &single, NULL, &one, NULL, NULL, &t, err);
    if (code == SIB_OK)
        code = sib_build_constant(b, "one", t, err);
    sib_tensor_free(&t);
    if (code == SIB_OK)
        code = sib_build_input(b, "x", SIB_F32, 1, &any, symbols, err);
    if (code == SIB_OK)
        code = sib_build_input(b, "s", SIB_F32, 1, &single, NULL, err);
    for (size_t i = 0; code == SIB_OK && i < 3; i++) {
        const sib_build_node node = {
            .type = types[i], .n_inputs = 2, .n_outputs = 1, .inputs = names[i], .outputs = &names[i][2]};
        code = sib_build_add(b, &node, err);
        if (code == SIB_OK)
            code = sib_build_output(b, names[i][2], err);
    }
    return code;
}

/* Every file that a document names as a model is this one. Kept by the process. */
static sib_code model(void *context, const char *file, sib_model **out, sib_error *err)
{
    static sib_model *m;
    sib_build *b = NULL;
    (void)context;
    (void)file;
    if (!m && (sib_build_create(21, &b, err) != SIB_OK || fill(b, err) != SIB_OK ||
               sib_build_model(&b, &m, err) != SIB_OK))
        fuzz_fail("no model: %s", err->message);
    *out = sib_model_keep(m);
    return SIB_OK;
}

static sib_code tokenizer(void *context, const char *file, sib_tokenizer **out, sib_error *err)
{
    const sib_tokenizer_options options = {.kind = "bytes"};
    (void)context;
    (void)file;
    return sib_tokenizer_open(NULL, &options, out, err);
}

void fuzz_job(const uint8_t *data, size_t n)
{
    static float samples[1600];
    static const int64_t dims = 1600;
    sib_error err = SIB_ERROR_INIT;
    const sib_job_options options = {.threads = 1, .backends = "ref", .confine = true};
    const sib_job_resolver from = {NULL, model, tokenizer};
    sib_job *j = NULL;
    sib_job_result *out = NULL;
    sib_job_fault fault;
    sib_code code = sib_job_open_from((const char *)data, n, &from, &options, &fault, &j, &err);
    fuzz_code(code, &err);
    if (code != SIB_OK)
        return;
    sib_tensor *sound = NULL;
    if (sib_tensor_wrap(SIB_F32, 1, &dims, NULL, samples, NULL, NULL, &sound, &err) != SIB_OK)
        fuzz_fail("no sound: %s", err.message);
    const sib_job_value in = {"audio", {.type = SIB_PORT_AUDIO, .tensor = sound}};
    sib_cancel *cancel = fuzz_cancel_begin();
    const sib_job_run_options limits = {.max_steps = 40, .cancel = cancel};
    code = sib_job_run(j, 1, &in, 0, NULL, &limits, &out, &err);
    fuzz_cancel_end(&cancel);
    fuzz_code(code, &err);
    if ((code == SIB_OK) != (out != NULL))
        fuzz_fail("a result is %s after %s", out ? "there" : "missing", sib_code_name(code));
    sib_job_result_free(&out);
    sib_job_free(&j);
    sib_tensor_free(&sound);
}
