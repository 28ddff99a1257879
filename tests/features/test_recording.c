/* Features of a recording against those of its chunks, one by one. */
#include "check_memory.h"

#include <math.h>
#include <sibyl/recording.h>

#define N      20803 /* 1.3 s */
#define CHUNK  8000  /* 0.5 s */
#define FRAMES (CHUNK / 160)

static sib_mel *front_end(const char *preset, sib_smooth smooth)
{
    sib_mel_spec spec;
    sib_mel *mel = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(sib_mel_spec_preset(preset, 80, &spec, &err), err);
    spec.smooth = smooth;
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    return mel;
}

/* Samples of (n), some beyond full scale. */
static float *noise(size_t n)
{
    check_random r = {7};
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = 1.02f * (float)check_uniform(&r);
    return x;
}

TEST(one_piece)
{
    sib_mel *mel = front_end("whisper", SIB_SMOOTH_SAME);
    float *x = noise(N), *want = malloc(80 * (N / 160) * sizeof *want);
    sib_error err = SIB_ERROR_INIT;
    sib_recording got;
    CHECK_OK(sib_mel_compute(mel, NULL, x, N, 0, want, N / 160, &err), err);
    CHECK_OK(sib_recording_compute(mel, NULL, x, N, NULL, &got, &err), err);
    assert_int_equal(got.chunks, 1);
    assert_int_equal(got.frames_per_chunk, N / 160);
    assert_true(got.one == 1 && !got.fixed);
    assert_memory_equal(sib_tensor_data(got.features), want, 80 * (N / 160) * sizeof *want);
    sib_recording_free(&got);
    assert_null(got.features);
    free(x);
    free(want);
    sib_mel_free(&mel);
}

static sib_code count(void *context, size_t done, size_t chunks, sib_error *err)
{
    (void)err;
    assert_int_equal(chunks, 3);
    assert_int_equal(done, (*(size_t *)context)++);
    return SIB_OK;
}

/* Three chunks, the last padded with zeros; scaled by the recording's peak and clamped to its own maximum
   each. */
TEST(in_chunks)
{
    sib_mel *mel = front_end("whisper", SIB_SMOOTH_NONE);
    float *x = noise(N), *copy = calloc(3 * CHUNK, sizeof *copy), want[80][FRAMES];
    size_t calls = 0;
    sib_error err = SIB_ERROR_INIT;
    sib_recording got;
    const sib_recording_options o = {.normalize = true,
                                     .level = SIB_LEVEL_RMS,
                                     .target = 0.1,
                                     .chunk_seconds = 0.5,
                                     .on_chunk = count,
                                     .context = &calls};
    memcpy(copy, x, N * sizeof *x);
    CHECK_OK(sib_audio_normalize(copy, N, SIB_LEVEL_RMS, 0.1, &err), err);
    CHECK_OK(sib_recording_compute(mel, NULL, x, N, &o, &got, &err), err);
    assert_int_equal(calls, 3);
    assert_int_equal(got.chunks, 3);
    assert_int_equal(got.frames_per_chunk, FRAMES);
    assert_int_equal(sib_tensor_dims(got.features)[1], 3 * FRAMES);
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(sib_mel_compute(mel, NULL, copy + i * CHUNK, CHUNK, 0, want[0], FRAMES, &err), err);
        for (size_t b = 0; b < 80; b++)
            assert_memory_equal((const float *)sib_tensor_data(got.features) + (3 * b + i) * FRAMES, want[b],
                                sizeof want[b]);
    }
    sib_recording_free(&got);
    free(x);
    free(copy);
    sib_mel_free(&mel);
}

/* The integers equal those of the fixed-point kernel on samples rounded to 16 bits; the floats are the same
   divided. */
static void fixed_point(sib_smooth smooth)
{
    sib_mel *mel = front_end("whisper", smooth);
    const size_t lost = smooth == SIB_SMOOTH_VALID ? 2 : 0, frames = FRAMES - lost;
    float *x = noise(N);
    int16_t *pcm = calloc(3 * CHUNK, sizeof *pcm), wide[80][FRAMES];
    int8_t narrow[80][FRAMES];
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < N; i++)
        pcm[i] = (int16_t)fmax(-32768, fmin(32767, nearbyint(x[i] * 32768.0)));
    assert_int_equal(pcm[0] == 32767 || pcm[0] == -32768, fabsf(x[0]) >= 1);
    for (int bytes = 1; bytes <= 2; bytes++) {
        const sib_recording_options o = {.chunk_seconds = 0.5, .fixed = bytes == 2 ? SIB_I16 : SIB_I8};
        sib_recording got;
        CHECK_OK(sib_recording_compute(mel, NULL, x, N, &o, &got, &err), err);
        assert_true(got.one == (bytes == 2 ? 16384 : 64));
        assert_int_equal(sib_tensor_dims(got.fixed)[0], 80 - lost);
        assert_int_equal(sib_tensor_dims(got.fixed)[1], 3 * frames);
        const float *features = sib_tensor_data(got.features);
        for (size_t i = 0; i < 3; i++) {
            CHECK_OK(sib_fixed_int16(80, SIB_FIXED_CLAMP_WHOLE, NULL, pcm + i * CHUNK, CHUNK, 0, wide[0],
                                     FRAMES, &err),
                     err);
            CHECK_OK(sib_fixed_int8(80, SIB_FIXED_CLAMP_WHOLE, NULL, pcm + i * CHUNK, CHUNK, 0, narrow[0],
                                    FRAMES, &err),
                     err);
            CHECK_OK(sib_fixed_smooth_int16(smooth, wide[0], 80, FRAMES, FRAMES, &err), err);
            CHECK_OK(sib_fixed_smooth_int8(smooth, narrow[0], 80, FRAMES, FRAMES, &err), err);
            for (size_t b = 0; b < 80 - lost; b++)
                for (size_t t = 0; t < frames; t++) {
                    const size_t at = (3 * b + i) * frames + t;
                    const int value = bytes == 2 ? ((const int16_t *)sib_tensor_data(got.fixed))[at]
                                                 : ((const int8_t *)sib_tensor_data(got.fixed))[at];
                    assert_int_equal(value, bytes == 2 ? wide[b][t] : narrow[b][t]);
                    assert_true(features[at] == (float)(value / got.one));
                }
        }
        sib_recording_free(&got);
    }
    free(x);
    free(pcm);
    sib_mel_free(&mel);
}

TEST(in_fixed_point)
{
    fixed_point(SIB_SMOOTH_NONE);
    fixed_point(SIB_SMOOTH_SAME);
    fixed_point(SIB_SMOOTH_VALID);
}

static sib_code stop(void *context, size_t done, size_t chunks, sib_error *err)
{
    (void)context, (void)chunks, (void)err;
    return done == 1 ? SIB_ERR_CANCELLED : SIB_OK;
}

TEST(refused)
{
    sib_mel *whisper = front_end("whisper", SIB_SMOOTH_NONE), *kaldi = front_end("kaldi", SIB_SMOOTH_NONE),
            *smooth = front_end("whisper", SIB_SMOOTH_VALID);
    float *x = noise(N);
    sib_error err = SIB_ERROR_INIT;
    sib_recording got;
    sib_recording_options o = {.fixed = SIB_I16};
    CHECK_FAILS(sib_recording_compute(kaldi, NULL, x, N, &o, &got, &err), SIB_ERR_ARGUMENT, err,
                "preset 'whisper'");
    CHECK_FAILS(sib_recording_compute(smooth, NULL, x, 400, &o, &got, &err), SIB_ERR_VALUE, err, "3");
    o.fixed = SIB_F32;
    CHECK_FAILS(sib_recording_compute(whisper, NULL, x, N, &o, &got, &err), SIB_ERR_ARGUMENT, err,
                "not float32");
    o = (sib_recording_options){.chunk_seconds = -1};
    CHECK_FAILS(sib_recording_compute(whisper, NULL, x, N, &o, &got, &err), SIB_ERR_ARGUMENT, err,
                "chunk length is -1");
    o = (sib_recording_options){.normalize = true, .target = -1};
    CHECK_FAILS(sib_recording_compute(whisper, NULL, x, N, &o, &got, &err), SIB_ERR_ARGUMENT, err, "target");
    CHECK_FAILS(sib_recording_compute(whisper, NULL, x, 100, NULL, &got, &err), SIB_ERR_VALUE, err,
                "100 samples");
    o = (sib_recording_options){.chunk_seconds = 0.5, .on_chunk = stop};
    assert_int_equal(sib_recording_compute(whisper, NULL, x, N, &o, &got, &err), SIB_ERR_CANCELLED);
    assert_null(got.features);
    free(x);
    sib_mel_free(&whisper);
    sib_mel_free(&kaldi);
    sib_mel_free(&smooth);
}

TEST(every_allocation_fails)
{
    sib_mel *mel = front_end("whisper", SIB_SMOOTH_NONE);
    float *x = noise(N);
    const sib_recording_options o = {.chunk_seconds = 0.5, .fixed = SIB_I8};
    sib_error err = SIB_ERROR_INIT;
    sib_recording got;
    CHECK_SOME_ALLOCATIONS(check_k + 1, sib_recording_compute(mel, NULL, x, N, &o, &got, &err), {
        assert_true(check_k < 100 && (err.code == SIB_OK || !got.features));
        sib_recording_free(&got);
    });
    free(x);
    sib_mel_free(&mel);
}
