/* The front end on a GPU's backend against ref. */
#include "ops.h"

#include <pthread.h>

TEST_FIXTURE(begin, end)

/* Front ends on recordings that tables of every part serve, beside the definition in double. */
TEST(test_log_mel)
{
    static const char *const presets[] = {"whisper", "kaldi", "librosa"};
    static const char *const smooths[] = {"none", "same", "valid"};
    for (size_t k = 0; k < COUNT(presets) * COUNT(smooths); k++) {
        claim_case w = made("LogMelSpectrogram", 1, 1, (const tensor[]){{SIB_F32, 2, {2, 4000}}});
        w.domain = "ai.sibyl";
        w.in[0].size = 0.5;
        w.n_attributes = 2;
        w.attributes[0] = claim_text("preset", presets[k / 3]);
        w.attributes[1] = claim_text("smooth", smooths[k % 3]);
        if (k / 3 == 2) /* 2048 is beyond the kernel's memory; 23 is a prime */
            w.attributes[w.n_attributes++] = claim_int("n_fft", k % 3 ? 1000 : 23);
        if (k / 3 == 2)
            w.attributes[w.n_attributes++] = claim_int("win_length", k % 3 ? 800 : 21);
        w.abs = k / 3 ? 2e-4 : 1e-5; /* decibels, and natural logarithms */
        w.rel = 1e-5;
        check(&w);
    }
}

/* Silence, one tone between silences, a frame that the ends fill, and a number that is none. */
TEST(test_log_mel_edges)
{
    enum { N = 1600 };
    double x[N] = {0};
    for (size_t k = 0; k < 4; k++) {
        const int64_t n = k == 2 ? 201 : N;
        claim_case w = made("LogMelSpectrogram", 1, 1, (const tensor[]){{SIB_F32, 1, {n}}});
        w.domain = "ai.sibyl";
        w.in[0].values = x;
        for (size_t i = 0; i < N && k; i++)
            x[i] = i < 600 || i > 1000 ? 0 : sin(0.3 * (double)i);
        if (k == 3)
            x[700] = NAN;
        w.abs = 2e-5;
        w.rel = 1e-5;
        check(&w);
    }
}

typedef struct overlap {
    sib_session *session;
    sib_value *in, *expected;
} overlap;

static void *run_overlapped(void *context)
{
    const overlap *o = context;
    for (int i = 0; i < 20; i++) {
        sib_error err = SIB_ERROR_INIT;
        sib_value *out = NULL;
        sib_comparison c;
        CHECK_OK(sib_session_run(o->session, 1, &(sib_named_value){"i0", o->in}, 0, NULL, &out, NULL, &err),
                 err);
        CHECK_OK(sib_value_compare(out, o->expected, &(sib_tolerance){0, 0, 0}, &c, &err), err);
        assert_true(c.equal);
        sib_value_free(&out);
    }
    return NULL;
}

/* Runs of one plan at once, whose energies are in the scratch of the same step. */
TEST(test_scratch)
{
    enum { N = 800 };
    claim_case w = made("LogMelSpectrogram", 1, 1, (const tensor[]){{SIB_F32, 1, {N}}});
    sib_value *drawn[CLAIM_MAX];
    char backends[64];
    double x[N];
    overlap each[3];
    pthread_t threads[COUNT(each)];
    w.domain = "ai.sibyl";
    snprintf(backends, sizeof backends, "%s,ref", backend());
    sib_session *s = claim_session(&w, backends, drawn);
    sib_value_free(&drawn[0]);
    for (size_t k = 0; k < COUNT(each); k++) {
        sib_error err = SIB_ERROR_INIT;
        for (size_t i = 0; i < N; i++)
            x[i] = sin((double)((k + 1) * i) * 0.1);
        each[k] = (overlap){s, tiny_given(SIB_F32, 1, (int64_t[]){N}, x), NULL};
        CHECK_OK(sib_session_run(s, 1, &(sib_named_value){"i0", each[k].in}, 0, NULL, &each[k].expected, NULL,
                                 &err),
                 err);
    }
    for (size_t k = 0; k < COUNT(each); k++)
        assert_int_equal(pthread_create(&threads[k], NULL, run_overlapped, &each[k]), 0);
    for (size_t k = 0; k < COUNT(each); k++)
        pthread_join(threads[k], NULL);
    for (size_t k = 0; k < COUNT(each); k++) {
        sib_value_free(&each[k].in);
        sib_value_free(&each[k].expected);
    }
    sib_session_free(&s);
}
