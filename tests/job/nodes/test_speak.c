/* Nodes that speak: text as tokens, frames that are drawn between the two parts of a model, and those that are made step by step. */
#include "check_memory.h"
#include "job/jobs.h"

#include <math.h>

/* Four tokens, whose frames have two channels: their means, the logarithms of what multiplies noise, and durations. The samples
   are the frames. */
static const double means[] = {1, -1, 20, 30, 0, 0, 0, 0},
                    variances[] = {-100, -100, -200, -100, 0, 2 * 0.6931471805599453, 0, 0},
                    durations[] = {1.5, 2, 1e5, NAN};

/* One frame of two numbers in a step: that before plus the speaker's numbers and the sum of what is kept. Speech ends by the sum of the
   frame before. The samples are the frames. */
static void save_steps(void)
{
    tiny t = tiny_begin();
    value_id tok = tiny_input(&t, "tokens", SIB_I64, "1 N"),
             frame = tiny_input(&t, "frame", SIB_F32, "1 N 2"),
             kept = tiny_input(&t, "kept", SIB_F32, "2 N 1"),
             speaker = tiny_input(&t, "speaker_embedding", SIB_F32, "1 2"),
             made = tiny_input(&t, "made", SIB_F32, "1 F 2"),
             zero = tiny_constant(&t, "zero", SIB_I64, DIMS(1), OF(0)),
             two = tiny_constant(&t, "two", SIB_I64, DIMS(1), OF(2));
    value_id more = tiny_op(&t, "Add", speaker, tiny_op(&t, "ReduceSum", kept, zero, "all"), "more");
    tiny_output(&t, tiny_op(&t, "Neg", tok, NO_VALUE, "encoded"));
    tiny_output(&t, tiny_op(&t, "Add", frame, more, "frames"));
    tiny_output(&t, tiny_op(&t, "ReduceSum", frame, two, "end"));
    tiny_output(&t, tiny_op(&t, "Neg", made, NO_VALUE, "spectrogram"));
    tiny_output(&t, tiny_op(&t, "Identity", made, NO_VALUE, "samples"));
    save_model(&t, "s.onnx");
}

static int set_up(void)
{
    if (make_folder())
        return -1;
    tiny t = tiny_begin();
    value_id tok = tiny_input(&t, "tokens", SIB_I64, "1 N"),
             latents = tiny_input(&t, "latents", SIB_F32, "1 2 F");
    tiny_output(&t, tiny_op(&t, "Gather", tiny_constant(&t, "m", SIB_F32, DIMS(4, 2), means), tok, "means"));
    tiny_output(&t, tiny_op(&t, "Gather", tiny_constant(&t, "v", SIB_F32, DIMS(4, 2), variances), tok,
                            "log_variances"));
    tiny_output(&t,
                tiny_op(&t, "Gather", tiny_constant(&t, "d", SIB_F32, DIMS(4), durations), tok, "durations"));
    tiny_output(&t, tiny_op(&t, "Identity", latents, NO_VALUE, "samples"));
    save_model(&t, "v.onnx");
    save_steps();
    return 0;
}

/* ---- spell ---------------------------------------------------------------------------------------------- */

static sib_job *speller(const char *more)
{
    char text[2000];
    const int n =
        snprintf(text, sizeof text,
                 "{\"sibyl_job\": 1, \"kind\": \"test\", \"inputs\": {\"text\": \"text\"}, \"nodes\": "
                 "[{\"name\": \"it\", \"op\": \"spell\", \"inputs\": {\"text\": \"$text\", \"vocabulary\": "
                 "[\"_\", \"a\", \" \", \"b\", \"\", \"ab\", \"\\u00e9\", \"x\"]%s}}], "
                 "\"outputs\": {\"ids\": \"$it\"}}",
                 more);
    assert_true(n < (int)sizeof text);
    return job_of(text);
}

static void spells(const char *more, const char *text, size_t n, const int32_t *ids)
{
    sib_job *j = speller(more);
    const sib_job_value in[] = {a_text("text", text)};
    sib_job_result *r = run_with(j, 1, in, NULL);
    expect_tokens(sib_job_result_find(r, "ids"), n, ids);
    sib_job_result_free(&r);
    sib_job_free(&j);
}

static void refuses(const char *more, const char *text, sib_code code, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = speller(more);
    sib_job_result *r = NULL;
    const sib_job_value in[] = {a_text("text", text)};
    CHECK_FAILS(sib_job_run(j, 1, in, 0, NULL, NULL, &r, &err), code, err, words);
    sib_job_free(&j);
}

TEST(characters_become_tokens)
{
    spells("", "ab a", 4, (int32_t[]){1, 3, 2, 1});
    spells(", \"lower_case\": true", "AB\xc3\x89", 3, (int32_t[]){1, 3, 6});
    spells(", \"blank\": 0", "ab", 5, (int32_t[]){0, 1, 0, 3, 0});
    spells(", \"blank\": 0, \"bare\": [3]", "abba", 8, (int32_t[]){0, 1, 0, 3, 3, 0, 1, 0});
    spells(", \"blank\": 0, \"begin\": [7], \"end\": [7, 7]", "a", 6, (int32_t[]){7, 0, 1, 0, 7, 7});
    spells(", \"skip_unknown\": true", " ?a z b! ", 4, (int32_t[]){1, 2, 2, 3});
    spells(", \"decomposed\": true, \"skip_unknown\": true", "\xc3\xa1x", 2, (int32_t[]){1, 7});
    spells(", \"replaced\": [\"e\", \"\\u00e9\", \"c\", \"a\"]", "ceb", 3, (int32_t[]){1, 6, 3});
}

TEST(text_that_cannot_be_said)
{
    refuses("", "A", SIB_ERR_VALUE, "no token of the character U+0041");
    refuses("", "a\xff", SIB_ERR_VALUE, "no UTF-8 at byte 1");
    refuses("", "", SIB_ERR_VALUE, "no character that the model can say");
    refuses(", \"skip_unknown\": true", " ! ", SIB_ERR_VALUE, "no character that the model can say");
    refuses(", \"ascii\": true", "a\xc3\xa9", SIB_ERR_UNSUPPORTED,
            "uroman makes it, and the text has the character U+00E9");
    refuses(", \"phonemizer\": \"espeak\"", "a", SIB_ERR_UNSUPPORTED, "as the program espeak makes them");
    refuses(", \"phonemes\": true", "a", SIB_ERR_ARGUMENT, "reads text, and no phonemes");
    refuses(", \"blank\": 8", "a", SIB_ERR_ARGUMENT, "blank is 8");
    spells(", \"phonemizer\": \"espeak\", \"phonemes\": true", "a", 1, (int32_t[]){1});
}

/* ---- speak ---------------------------------------------------------------------------------------------- */

static const char document[] =
    "{\"sibyl_job\": 1, \"kind\": \"test\", \"models\": {\"m\": \"v.onnx\"}, \"calls\": {\"e\": {\"model\": "
    "\"m\", "
    "\"inputs\": {\"tokens\": \"tokens\"}, \"outputs\": {\"means\": \"means\", \"log_variances\": "
    "\"log_variances\", "
    "\"durations\": \"durations\"}}, \"d\": {\"model\": \"m\", \"inputs\": {\"latents\": \"latents\"}, "
    "\"outputs\": "
    "{\"samples\": \"samples\"}}}, \"inputs\": {\"tokens\": \"tokens\", \"seed\": {\"type\": \"number\", "
    "\"default\": "
    "0}, \"speed\": {\"type\": \"number\", \"default\": 1}, \"noise\": {\"type\": \"tensor\", \"default\": "
    "null}}, "
    "\"nodes\": [{\"name\": \"it\", \"op\": \"speak\", \"calls\": {\"encoder\": \"e\", \"decoder\": \"d\"}, "
    "\"inputs\": {\"tokens\": \"$tokens\", \"rate\": 8000, \"seed\": \"$seed\", \"speed\": \"$speed\", "
    "\"noise\": "
    "\"$noise\", \"noise_scale\": 0.5}}], \"outputs\": {\"samples\": \"$it.samples\", \"rate\": "
    "\"$it.sample_rate\", "
    "\"durations\": \"$it.durations\"}}";

TEST(each_token_lasts_as_long_as_the_model_says)
{
    static const int32_t ids[] = {0, 1, 0};
    static const double all[] = {1, 1, 20, 20, 1, 1, -1, -1, 30, 30, -1, -1}, at_half[] = {3, 4, 3};
    sib_job *j = job_of(document);
    const sib_job_value in[] = {tokens("tokens", 3, ids), a_number("speed", 0.5)};
    sib_job_result *r = run_with(j, 1, in, NULL);
    expect_tensor(sib_job_result_find(r, "samples"), SIB_F32, 1, (const int64_t[]){12}, all);
    assert_true(sib_job_result_find(r, "rate")->number == 8000);
    sib_job_result_free(&r);
    r = run_with(j, 2, in, NULL);
    const sib_port_value *lasts = sib_job_result_find(r, "durations");
    assert_int_equal(lasts->numbers.n, 3);
    assert_memory_equal(lasts->numbers.data, at_half, sizeof at_half);
    sib_job_result_free(&r);
    sib_job_free(&j);
}

/* The noise of 100,000 frames of one token: a normal distribution, times 0.5 and what the variance says, in both channels. */
TEST(drawn_noise_is_normal)
{
    enum { N = 100000 };
    static const int32_t id = 2;
    sib_job *j = job_of(document);
    const sib_job_value in[] = {tokens("tokens", 1, &id), a_number("seed", 3)};
    sib_job_result *r = run_with(j, 2, in, NULL);
    const float *x = sib_tensor_data(sib_job_result_find(r, "samples")->tensor);
    for (size_t c = 0; c < 2; c++) {
        const double scale = c ? 2 : 0.5; /* 0.5 exp(2 log 2), as the model's authors multiply */
        double moments[5] = {0}, next = 0;
        for (size_t i = 0; i < N; i++) {
            const double z = x[c * N + i] / scale;
            for (size_t k = 1; k < 5; k++)
                moments[k] += pow(z, (double)k) / N;
            next += i ? z * x[c * N + i - 1] / scale / N : 0;
        }
        if (!(fabs(moments[1]) < 0.015 && fabs(moments[2] - 1) < 0.02 && fabs(moments[3]) < 0.04 &&
              fabs(moments[4] - 3) < 0.15 && fabs(next) < 0.015))
            fail_msg("moments %g %g %g %g, with the next %g", moments[1], moments[2], moments[3], moments[4],
                     next);
    }
    sib_job_result_free(&r);
    sib_job_free(&j);
}

TEST(speech_that_cannot_be)
{
    static const int32_t ids[] = {1, 3}, long_one[] = {2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2};
    sib_error err = SIB_ERROR_INIT;
    sib_job_result *r = NULL;
    sib_job *j = job_of(document);
    sib_job_value in[] = {tokens("tokens", 11, long_one), a_number("speed", 1)};
    CHECK_FAILS(sib_job_run(j, 2, in, 0, NULL, NULL, &r, &err), SIB_ERR_VALUE, err, "1.1e+06 frames");
    in[0] = tokens("tokens", 0, ids);
    CHECK_FAILS(sib_job_run(j, 2, in, 0, NULL, NULL, &r, &err), SIB_ERR_VALUE, err, "0 tokens are given");
    in[0] = tokens("tokens", 2, ids);
    CHECK_FAILS(sib_job_run(j, 2, in, 0, NULL, NULL, &r, &err), SIB_ERR_VALUE, err, "nan frames");
    in[1].value.number = 0;
    in[0] = tokens("tokens", 1, ids);
    CHECK_FAILS(sib_job_run(j, 2, in, 0, NULL, NULL, &r, &err), SIB_ERR_ARGUMENT, err, "speed is 0");
    in[1].value.number = 1;
    sib_tensor *noise = tiny_tensor(SIB_F32, DIMS(2, 1), OF(1, 2));
    sib_job_value with[] = {in[0], in[1], a_tensor("noise", noise)};
    CHECK_FAILS(sib_job_run(j, 3, with, 0, NULL, NULL, &r, &err), SIB_ERR_ARGUMENT, err,
                "noise is none of float32 [2, 2 or more]");
    sib_tensor_free(&noise);
    CHECK_FAILED_ALLOCATIONS(check_k + 1, sib_job_run(j, 1, in, 0, NULL, NULL, &r, &err),
                             sib_job_result_free(&r));
    sib_job_free(&j);
}

/* ---- utter ---------------------------------------------------------------------------------------------- */

static const char steps[] = "{\"sibyl_job\": 1, \"kind\": \"test\", \"models\": {\"m\": \"s.onnx\"}, "
                            "\"calls\": {\"e\": {\"model\": \"m\", "
                            "\"inputs\": {\"tokens\": \"tokens\"}, \"outputs\": {\"encoded\": \"encoded\"}}, "
                            "\"d\": {\"model\": \"m\", \"inputs\": "
                            "{\"frame\": \"frame\", \"kept\": \"kept\", \"speaker_embedding\": "
                            "\"speaker_embedding\"}, \"outputs\": {\"frames\": "
                            "\"frames\", \"end\": \"end\"}}, \"v\": {\"model\": \"m\", \"inputs\": "
                            "{\"frames\": \"made\"}, \"outputs\": {\"samples\": "
                            "\"samples\", \"spectrogram\": \"spectrogram\"}}}, \"inputs\": {\"tokens\": "
                            "\"tokens\", \"speaker\": \"tensor\", "
                            "\"threshold\": {\"type\": \"number\", \"default\": 10}, \"min_ratio\": "
                            "{\"type\": \"number\", \"default\": 0}, "
                            "\"max_ratio\": {\"type\": \"number\", \"default\": 20}, \"dropout\": {\"type\": "
                            "\"number\", \"default\": 0}, "
                            "\"kept\": {\"type\": \"tensor\", \"default\": null}, \"n_ctx\": {\"type\": "
                            "\"number\", \"default\": 9}}, "
                            "\"nodes\": [{\"name\": \"it\", \"op\": \"utter\", \"calls\": {\"encoder\": "
                            "\"e\", \"decoder\": \"d\", \"vocoder\": \"v\"}, "
                            "\"inputs\": {\"tokens\": \"$tokens\", \"speaker_embedding\": \"$speaker\", "
                            "\"rate\": 8000, \"n_text_ctx\": 200, \"n_ctx\": "
                            "\"$n_ctx\", \"pad\": 7, \"threshold\": \"$threshold\", \"min_ratio\": "
                            "\"$min_ratio\", \"max_ratio\": \"$max_ratio\", "
                            "\"dropout\": \"$dropout\", \"kept\": \"$kept\"}}], \"outputs\": {\"samples\": "
                            "\"$it.samples\", \"mel\": \"$it.spectrogram\"}}";

static void utters(const sib_job *j, size_t n, const sib_job_value *in, int64_t count, const double *samples)
{
    sib_job_result *r = run_with(j, n, in, NULL);
    double mel[16];
    for (int64_t i = 0; i < count; i++)
        mel[i] = -samples[i];
    expect_tensor(sib_job_result_find(r, "samples"), SIB_F32, 1, &count, samples);
    expect_tensor(sib_job_result_find(r, "mel"), SIB_F32, 3, (const int64_t[]){1, count / 2, 2}, mel);
    sib_job_result_free(&r);
}

TEST(frames_are_made_step_by_step)
{
    static const int32_t ids[] = {1, 3};
    static const double all[] = {3, 4, 6, 8, 9, 12}, dropped[] = {3, 4, 4, 6};
    sib_job *j = job_of(steps);
    sib_tensor *speaker = tiny_tensor(SIB_F64, DIMS(2), OF(1, 2)),
               *kept = tiny_tensor(SIB_F32, DIMS(2, 2, 1), OF(1, 0, 0, 0));
    sib_job_value in[5] = {tokens("tokens", 2, ids), a_tensor("speaker", speaker)};
    utters(j, 2, in, 6, all); /* the third step sees 6 + 8, above the threshold of 10 */
    in[2] = a_number("max_ratio", 1);
    utters(j, 3, in, 4, all);
    in[2] = a_number("threshold", 0);
    utters(j, 3, in, 2, all);
    in[3] = a_number("min_ratio", 1);
    utters(j, 4, in, 4, all);
    in[2] = a_number("max_ratio", 1);
    in[3] = a_number("dropout", 0.5); /* what is kept counts twice */
    in[4] = a_tensor("kept", kept);
    utters(j, 5, in, 4, dropped);
    sib_tensor_free(&kept);
    sib_tensor_free(&speaker);
    sib_job_free(&j);
}

TEST(the_dropped_share_is_that_asked_for)
{
    enum { N = 3000 };
    int32_t ids[150] = {0};
    sib_job *j = job_of(steps);
    sib_tensor *speaker = tiny_tensor(SIB_F32, DIMS(1, 2), OF(0, 0));
    const sib_job_value in[] = {tokens("tokens", 150, ids), a_tensor("speaker", speaker),
                                a_number("n_ctx", N), a_number("dropout", 0.25), a_number("threshold", 1e6)};
    sib_job_result *r = run_with(j, 5, in, NULL);
    const sib_tensor *x = sib_job_result_find(r, "samples")->tensor;
    assert_int_equal(sib_tensor_count(x), 2 * N);
    const double share = ((const float *)sib_tensor_data(x))[2 * N - 1] * 0.75 / (2 * N);
    if (fabs(share - 0.75) > 0.02)
        fail_msg("%g are kept", share);
    sib_job_result_free(&r);
    sib_tensor_free(&speaker);
    sib_job_free(&j);
}

TEST(steps_that_cannot_be)
{
    static const int32_t ids[] = {1, 7};
    sib_error err = SIB_ERROR_INIT;
    sib_job_result *r = NULL;
    sib_job *j = job_of(steps);
    sib_tensor *speaker = tiny_tensor(SIB_F32, DIMS(2), OF(1, 2)),
               *nan = tiny_tensor(SIB_F32, DIMS(2), OF(NAN, 0)),
               *kept = tiny_tensor(SIB_F32, DIMS(1, 2, 1), OF(1, 1));
    sib_job_value in[] = {tokens("tokens", 2, ids), a_tensor("speaker", speaker), a_number("n_ctx", 2)};
    CHECK_FAILS(sib_job_run(j, 2, in, 0, NULL, NULL, &r, &err), SIB_ERR_VALUE, err,
                "token 1 is the padding 7");
    in[0] = tokens("tokens", 0, ids);
    CHECK_FAILS(sib_job_run(j, 2, in, 0, NULL, NULL, &r, &err), SIB_ERR_VALUE, err, "the text has 0 tokens");
    in[0] = tokens("tokens", 1, ids);
    CHECK_FAILS(sib_job_run(j, 3, in, 0, NULL, NULL, &r, &err), SIB_ERR_VALUE, err, "more than the 2 steps");
    in[2] = a_number("dropout", 1);
    CHECK_FAILS(sib_job_run(j, 3, in, 0, NULL, NULL, &r, &err), SIB_ERR_ARGUMENT, err, "dropout is 1");
    in[2] = a_tensor("kept", kept);
    CHECK_FAILS(sib_job_run(j, 3, in, 0, NULL, NULL, &r, &err), SIB_ERR_ARGUMENT, err, "kept has 1 steps");
    in[2] = a_tensor("kept", speaker);
    CHECK_FAILS(sib_job_run(j, 3, in, 0, NULL, NULL, &r, &err), SIB_ERR_ARGUMENT, err,
                "kept is none of float32 [steps, 2, 1]");
    in[1] = a_tensor("speaker", nan);
    CHECK_FAILS(sib_job_run(j, 2, in, 0, NULL, NULL, &r, &err), SIB_ERR_VALUE, err, "are not numbers");
    in[1] = a_tensor("speaker", kept);
    in[2] = a_number("max_ratio", 1);
    CHECK_FAILED_ALLOCATIONS(check_k + 1, sib_job_run(j, 3, in, 0, NULL, NULL, &r, &err),
                             sib_job_result_free(&r));
    sib_tensor_free(&kept);
    sib_tensor_free(&nan);
    sib_tensor_free(&speaker);
    sib_job_free(&j);
}

TEST_FIXTURE(set_up, drop_folder)
