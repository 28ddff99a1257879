/* Calls on a device: state and context stay there, and what jobs give is what they give without one. */
#include "gpu/device.h"
#include "job/tiny_decoder.h"

#include <sibyl/audio.h>

TEST_FIXTURE(make_folder, drop_folder)

enum { TOKENS = 24, DIGITS_VOCAB = 1803 };

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

/* The text of a recording of digits, by the model that the repository ships. */
static sib_job_result *transcribed(const char *backends)
{
    static const char *const wanted[] = {"text"};
    sib_error err = SIB_ERROR_INIT;
    sib_job_options o = {.threads = 1, .backends = backends};
    sib_job_result *r = NULL;
    sib_job *j = NULL;
    sib_tensor *t = NULL;
    char path[1000];
    float *samples = NULL;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/assets/digits/sample.flac", getenv("SIBYL_SOURCE"));
    CHECK_OK(sib_audio_load(path, NULL, &samples, &n, NULL, &err), err);
    CHECK_OK(sib_tensor_wrap(SIB_F32, 1, &(int64_t){(int64_t)n}, NULL, samples, NULL, NULL, &t, &err), err);
    CHECK_OK(sib_job_open(in_folder("digits.onnx"), &o, &j, &err), err);
    sib_job_value in[] = {audio("audio", t), a_number("beam_size", 3), a_number("temperature", 0)};
    CHECK_OK(sib_job_run(j, 3, in, 1, wanted, NULL, &r, &err), err);
    sib_job_free(&j);
    sib_tensor_free(&t);
    sib_free(samples);
    return r;
}

/* Whisper with beams: what the encoder gives the decoder stays, and rows of the caches are taken where they are. */
TEST(beams_stay)
{
    sib_error err = SIB_ERROR_INIT;
    gpu_device *d;
    char checkpoint[1000], tokenizer[1000];
    snprintf(checkpoint, sizeof checkpoint, "%s/assets/digits/digits.pt", getenv("SIBYL_SOURCE"));
    snprintf(tokenizer, sizeof tokenizer, "%s/assets/digits/digits.tiktoken", getenv("SIBYL_SOURCE"));
    CHECK_OK(sib_import((const char *const[]){checkpoint}, 1, in_folder("digits.onnx"),
                        &(sib_import_options){.tokenizer = tokenizer, .audio_context = 500}, NULL, &err),
             err);
    CHECK_OK(gpu_open("host", &d, &err), err);
    sib_job_result *cpu = transcribed("cpu,ref"), *made = transcribed("gpu-host,cpu,ref");
    assert_true(d->downloaded > 0 && d->downloaded % (DIGITS_VOCAB * sizeof(float)) == 0); /* logits alone */
    assert_true(d->downloaded < 50 * DIGITS_VOCAB * sizeof(float));
    assert_string_equal(sib_job_result_find(made, "text")->text.data,
                        sib_job_result_find(cpu, "text")->text.data);
    sib_job_result_free(&cpu);
    sib_job_result_free(&made);
    gpu_close(&d);
}
