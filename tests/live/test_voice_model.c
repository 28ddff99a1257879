/* Speech detected by a model with Silero's inputs and outputs: windows with what is before them, a state that
   goes on, two thresholds. */
#include "check_memory.h"
#include "job/jobs.h"

#include "live/voice_model.h"

/* The probability is the loudest sample, but no more than the state says, which counts windows from 0. */
static tiny counting_voice(const char *input)
{
    tiny t = tiny_begin();
    value_id x = tiny_input(&t, input, SIB_F32, "B N"), s = tiny_input(&t, "state", SIB_F32, "2 1 128"),
             one = tiny_constant(&t, "one", SIB_F32, DIMS(1), OF(1));
    value_id loud = tiny_op(&t, "ReduceMax", tiny_op(&t, "Abs", x, NO_VALUE, "abs"), NO_VALUE, "loud"),
             most = tiny_op(&t, "ReduceMax", s, NO_VALUE, "most");
    tiny_output(&t, tiny_op(&t, "Min", loud, most, "output"));
    tiny_output(&t, tiny_op(&t, "Add", s, one, "stateN"));
    return t;
}

static sib_job *voice_job(void)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j;
    tiny t = counting_voice("input");
    save_model(&t, "voice.onnx");
    CHECK_OK(sib_job_open(in_folder("voice.onnx"), &(sib_job_options){.threads = 1}, &j, &err), err);
    return j;
}

/* Whether a window is speech whose sample `at` is `loud`, the others 0. */
static bool hears(voice_model *v, size_t at, float loud)
{
    sib_error err = SIB_ERROR_INIT;
    float window[VOICE_WINDOW] = {0};
    bool speech;
    window[at] = loud;
    CHECK_OK(voice_model_window(v, window, NULL, &speech, &err), err);
    return speech;
}

TEST(windows_in_a_row)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = voice_job();
    voice_model *v;
    CHECK_OK(voice_model_create(j, 0.5, &v, &err), err);
    assert_false(hears(v, 9, 0.9F)); /* the state is 0 */
    assert_true(hears(v, 9, 0.6F));
    assert_true(hears(v, 9, 0.4F)); /* speech goes on above the lower threshold */
    assert_false(hears(v, 9, 0.3F));
    assert_false(hears(v, 9, 0.4F));
    assert_true(hears(v, VOICE_WINDOW - 1, 0.6F));
    assert_true(hears(v, 0, 0)); /* the window before is heard */
    assert_false(hears(v, 0, 0));
    assert_true(hears(v, VOICE_WINDOW - 65, -0.6F));
    assert_false(hears(v, 0, 0)); /* 64 samples of it */
    voice_model_free(&v);
    sib_job_free(&j);
}

TEST(other_jobs_are_refused)
{
    sib_error err = SIB_ERROR_INIT;
    voice_model *v;
    tiny t = counting_voice("sound");
    save_model(&t, "sound.onnx");
    sib_job *j = job_of("{\"sibyl_job\": 1, \"kind\": \"voice-activity\", \"name\": \"other\", \"models\": "
                        "{\"m\": \"sound.onnx\"}, "
                        "\"calls\": {\"c\": {\"model\": \"m\", \"inputs\": {\"x\": \"sound\"}, \"outputs\": "
                        "{\"y\": \"output\"}, "
                        "\"state\": {\"state\": \"stateN\"}}}, \"inputs\": {\"x\": \"tensor\"}, \"nodes\": "
                        "[{\"name\": \"n\", \"op\": "
                        "\"call\", \"calls\": {\"model\": \"c\"}, \"inputs\": {\"x\": \"$x\"}}], "
                        "\"outputs\": {\"y\": \"$n.y\"}}");
    CHECK_FAILS(voice_model_create(j, 0.5, &v, &err), SIB_ERR_ARGUMENT, err,
                "the job 'other' is not one of a model of Silero's");
    assert_null(v);
    sib_job_free(&j);
}

TEST(memory_may_fail_anywhere)
{
    sib_error err = SIB_ERROR_INIT;
    sib_job *j = voice_job();
    voice_model *v = NULL;
    float window[VOICE_WINDOW] = {0};
    bool speech;
    CHECK_EVERY_ALLOCATION(voice_model_create(j, 0.5, &v, &err), voice_model_free(&v));
    CHECK_OK(voice_model_create(j, 0.5, &v, &err), err);
    assert_false(hears(v, 0, 0)); /* makes the plan */
    CHECK_FAILED_ALLOCATIONS(check_k + 1, voice_model_window(v, window, NULL, &speech, &err), (void)0);
    voice_model_free(&v);
    sib_job_free(&j);
}

TEST_FIXTURE(make_folder, drop_folder)
