/* Calls on a device: state and context stay there, and what jobs give is what they give without one. */
#include "gpu/device.h"
#include "job/tiny_decoder.h"

TEST_FIXTURE(make_folder, drop_folder)

enum { TOKENS = 24 };

static sib_job_result *generated(const char *backends)
{
    static const char *const wanted[] = {"tokens", "text"};
    sib_error err = SIB_ERROR_INIT;
    sib_job_options o = {.threads = 1, .backends = backends};
    sib_job_result *r = NULL;
    sib_job *j = decoder_job("llama", &o);
    sib_job_value in[] = {a_text("text", "Once upon"), a_number("max_tokens", TOKENS),
                          a_number("temperature", 0)};
    CHECK_OK(sib_job_run(j, 3, in, 2, wanted, NULL, &r, &err), err);
    sib_job_free(&j);
    return r;
}

/* The decoder's steps copy logits alone to the host: keys and values of all layers stay. */
TEST(states_stay)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *d;
    make_llama("llama", "llama", "", NULL);
    CHECK_OK(gpu_open("host", &d, &err), err);
    sib_job_result *ref = generated("ref"), *made = generated("gpu-host,ref");
    assert_int_equal(d->downloaded, TOKENS * DECODER_VOCAB * sizeof(float));
    const sib_port_value *ids = sib_job_result_find(ref, "tokens");
    expect_tokens(sib_job_result_find(made, "tokens"), ids->tokens.n, ids->tokens.ids);
    sib_job_result_free(&ref);
    sib_job_result_free(&made);
    gpu_close(&d);
}
