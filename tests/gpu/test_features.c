/* Features of recordings in a device's memory, against those of the host: on gpu-host, or on CUDA's own streams. */
#include "gpu/cuda_open.h"
#include "rig.h"

#include <sibyl/features.h>

#define RECORDINGS 3
#define SAMPLES    9000

static cuda_driver c;
static cuda_context context;
static const char *device = "gpu-host";

static int is_cuda(void)
{
    return !strncmp(device, "cuda", 4);
}

static void cuda_ok(cuda_result r)
{
    sib_error err = SIB_ERROR_INIT;
    CHECK_OK(cuda_check(&c, r, "the test", &err), err);
}

static int start(void)
{
    sib_error err = SIB_ERROR_INIT;
    const char *named = getenv("SIBYL_TEST_GPU_BACKEND");
    int ordinal;
    device = named ? named : device;
    if (rig_open())
        return -1;
    if (!is_cuda())
        return 0;
    CHECK_OK(cuda_open(&c, &err), err);
    cuda_ok(c.device_get(&ordinal, 0));
    cuda_ok(c.context_retain(&context, ordinal));
    cuda_ok(c.context_push(context));
    return 0;
}

static int stop(void)
{
    if (is_cuda()) {
        c.context_pop(&context);
        c.context_release(0);
        cuda_close(&c);
    }
    return rig_close();
}
TEST_FIXTURE(start, stop)

/* ---- Memory and streams -------------------------------------------------------------------------------- */

/* Floats on the device, which on gpu-host are the process's. */
static uint64_t held(size_t n)
{
    cuda_address address = 0;
    if (!is_cuda())
        return (uint64_t)(uintptr_t)calloc(n, sizeof(float));
    cuda_ok(c.mem_alloc(&address, n * sizeof(float)));
    return address;
}

static void let_go(uint64_t address)
{
    if (is_cuda())
        cuda_ok(c.mem_free(address));
    else
        free((void *)(uintptr_t)address);
}

static void bring(uint64_t to, const float *from, size_t n, cuda_stream stream)
{
    if (is_cuda())
        cuda_ok(c.copy_in(to, from, n * sizeof *from, stream));
    else
        memcpy((void *)(uintptr_t)to, from, n * sizeof *from);
}

static void fetch(float *to, uint64_t from, size_t n, cuda_stream stream)
{
    if (is_cuda())
        cuda_ok(c.copy_out(to, from, n * sizeof *to, stream));
    else
        memcpy(to, (const void *)(uintptr_t)from, n * sizeof *to);
}

static cuda_stream stream_made(void)
{
    cuda_stream made = NULL;
    if (is_cuda())
        cuda_ok(c.stream_create(&made, 1));
    return made;
}

static void wait_for(cuda_stream stream)
{
    cuda_event event;
    cuda_result r = CUDA_NOT_READY;
    if (!is_cuda())
        return;
    cuda_ok(c.event_create(&event, 0));
    cuda_ok(c.event_record(event, stream));
    while (r == CUDA_NOT_READY)
        r = c.event_query(event);
    cuda_ok(r);
    cuda_ok(c.event_destroy(event));
}

/* ---- Features ------------------------------------------------------------------------------------------ */

static void draw(float *x, size_t n)
{
    uint32_t seed = 1;
    for (size_t i = 0; i < n; i++)
        x[i] =
            rig_float(&seed) * (i / 2000 % 2 ? 0.5f : 1e-6f); /* what a clamp raises, and what it does not */
}

/* The host's, in double; joint: raised to the largest of all. */
static float *expected(const sib_mel_spec *spec, const float *x, const sib_mel_batch *b, size_t size)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel_spec alone = *spec;
    sib_mel *mel;
    uint64_t bands, frames;
    float *y = malloc(b->recordings * size * sizeof *y), largest = -INFINITY;
    alone.dynamic_range = b->joint ? 0 : spec->dynamic_range;
    CHECK_OK(sib_mel_create(&alone, &(sib_mel_options){.precise = true}, &mel, &err), err);
    CHECK_OK(sib_mel_shape(mel, b->n_samples + b->padding, &bands, &frames, &err), err);
    for (size_t k = 0; k < b->recordings; k++)
        CHECK_OK(sib_mel_compute(mel, NULL, x + k * b->n_samples, b->n_samples, b->padding, y + k * size,
                                 frames, &err),
                 err);
    for (size_t i = 0; i < b->recordings * size; i++)
        largest = y[i] > largest ? y[i] : largest;
    for (size_t i = 0; i < b->recordings * size && b->joint; i++)
        y[i] = fmaxf(y[i], largest - (float)(spec->dynamic_range * spec->gain));
    sib_mel_free(&mel);
    return y;
}

static void check_features(const sib_mel_spec *spec, size_t recordings, size_t samples, size_t padding,
                           bool joint)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel *mel;
    sib_mel_device *on_device;
    uint64_t bands, frames;
    float *x = malloc(recordings * samples * sizeof *x);
    draw(x, recordings * samples);
    CHECK_OK(sib_mel_create(spec, NULL, &mel, &err), err);
    CHECK_OK(sib_mel_shape(mel, samples + padding, &bands, &frames, &err), err);
    CHECK_OK(sib_mel_device_create(mel, device, &on_device, &err), err);
    const size_t size = bands * frames;
    cuda_stream stream = stream_made();
    sib_mel_batch b = {.samples = held(recordings * samples),
                       .features = held(recordings * size),
                       .recordings = recordings,
                       .n_samples = samples,
                       .padding = padding,
                       .joint = joint,
                       .stream = stream};
    float *y = calloc(recordings * size, sizeof *y);
    bring(b.samples, x, recordings * samples, stream);
    CHECK_OK(sib_mel_compute_device(on_device, &b, &err), err);
    fetch(y, b.features, recordings * size, stream);
    wait_for(stream);
    float *want = expected(spec, x, &b, size);
    for (size_t i = 0; i < recordings * size; i++)
        if (!(fabsf(y[i] - want[i]) <= 2e-4f + 1e-5f * fabsf(want[i]))) /* as test_ops_mel.c */
            fail_msg("feature %zu is %.9g, expected %.9g", i, (double)y[i], (double)want[i]);
    free(want);
    free(x);
    free(y);
    let_go(b.samples);
    let_go(b.features);
    sib_mel_device_free(&on_device);
    sib_mel_free(&mel);
    if (stream)
        cuda_ok(c.stream_destroy(stream));
}

static int skips(void)
{
    if (strcmp(device, "vulkan"))
        return 0;
    sib_error err = SIB_ERROR_INIT;
    sib_mel_spec spec;
    sib_mel *mel;
    sib_mel_device *none;
    CHECK_OK(sib_mel_spec_preset("whisper", 0, &spec, &err), err);
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    CHECK_FAILS(sib_mel_device_create(mel, device, &none, &err), SIB_ERR_UNSUPPORTED, err,
                "memory of others");
    sib_mel_free(&mel);
    return 1;
}

TEST(test_presets)
{
    static const char *const presets[] = {"whisper", "kaldi"};
    for (int k = 0; k < 2 && !skips(); k++)
        for (int smooth = SIB_SMOOTH_NONE; smooth <= SIB_SMOOTH_VALID; smooth++) {
            sib_error err = SIB_ERROR_INIT;
            sib_mel_spec spec;
            CHECK_OK(sib_mel_spec_preset(presets[k], 0, &spec, &err), err);
            spec.smooth = (sib_smooth)smooth;
            check_features(&spec, RECORDINGS, SAMPLES, 0, false);
        }
}

/* Zeros after the end, and the largest of all recordings. */
TEST(test_padding)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel_spec spec;
    CHECK_OK(sib_mel_spec_preset("whisper", 128, &spec, &err), err);
    for (int joint = 0; joint < 2 && !skips(); joint++)
        check_features(&spec, RECORDINGS, SAMPLES, 777, joint);
}

/* Groups that take several steps each. */
TEST(test_long)
{
    static const char *const presets[] = {"whisper", "kaldi"};
    static const size_t samples[] = {2060 * 16 * 160, 2100 * 160};
    for (int k = 0; k < 2 && !skips(); k++) {
        sib_error err = SIB_ERROR_INIT;
        sib_mel_spec spec;
        CHECK_OK(sib_mel_spec_preset(presets[k], 0, &spec, &err), err);
        check_features(&spec, 1, samples[k], 0, false);
    }
}

/* Two streams whose batches are in the same scratch, the second of which is asked for first. */
TEST(test_streams)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel_spec spec;
    sib_mel *mel;
    sib_mel_device *on_device;
    enum { N = 48000, SIZE = 80 * 300 };
    static float x[2][N], y[2][SIZE];
    if (skips())
        return;
    CHECK_OK(sib_mel_spec_preset("whisper", 0, &spec, &err), err);
    spec.smooth = SIB_SMOOTH_SAME;
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    CHECK_OK(sib_mel_device_create(mel, device, &on_device, &err), err);
    draw(x[0], N);
    for (size_t i = 0; i < N; i++)
        x[1][i] = -0.5f * x[0][N - 1 - i];
    cuda_stream streams[2] = {stream_made(), stream_made()};
    sib_mel_batch b[2];
    for (int k = 0; k < 2; k++) {
        b[k] = (sib_mel_batch){.samples = held(N),
                               .features = held(SIZE),
                               .recordings = 1,
                               .n_samples = N,
                               .stream = streams[k]};
        bring(b[k].samples, x[k], N, streams[k]);
    }
    for (int k = 0; k < 2; k++)
        CHECK_OK(sib_mel_compute_device(on_device, &b[k], &err), err);
    for (int k = 2; k-- > 0;) {
        fetch(y[k], b[k].features, SIZE, streams[k]);
        wait_for(streams[k]);
    }
    for (int k = 0; k < 2; k++) {
        float *want = expected(&spec, x[k], &b[k], SIZE);
        for (size_t i = 0; i < SIZE; i++)
            assert_true(fabsf(y[k][i] - want[i]) < 2e-5f);
        free(want);
        let_go(b[k].samples);
        let_go(b[k].features);
        if (streams[k])
            cuda_ok(c.stream_destroy(streams[k]));
    }
    sib_mel_device_free(&on_device);
    sib_mel_free(&mel);
}

TEST(test_refused)
{
    sib_error err = SIB_ERROR_INIT;
    sib_mel_spec spec;
    sib_mel *mel;
    sib_mel_device *d;
    float here[2] = {0};
    if (skips())
        return;
    CHECK_OK(sib_mel_spec_preset("librosa", 0, &spec, &err), err);
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    CHECK_FAILS(sib_mel_device_create(mel, device, &d, &err), SIB_ERR_UNSUPPORTED, err, "n_fft is 2048");
    sib_mel_free(&mel);
    CHECK_OK(sib_mel_spec_preset("whisper", 0, &spec, &err), err);
    CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
    CHECK_FAILS(sib_mel_device_create(mel, "abacus", &d, &err), SIB_ERR_UNSUPPORTED, err, "'abacus'");
    CHECK_FAILS(sib_mel_device_create(mel, "cuda:x", &d, &err), SIB_ERR_ARGUMENT, err, "'cuda:x'");
    CHECK_OK(sib_mel_device_create(mel, device, &d, &err), err);
    sib_mel_batch b = {.samples = held(800), .features = held(80 * 5), .recordings = 1, .n_samples = 800};
    sib_mel_batch w = b;
    w.samples++;
    CHECK_FAILS(sib_mel_compute_device(d, &w, &err), SIB_ERR_ARGUMENT, err, "multiples of 4");
    w = b;
    w.recordings = 0;
    CHECK_FAILS(sib_mel_compute_device(d, &w, &err), SIB_ERR_ARGUMENT, err, "0 recordings");
    w = b;
    w.n_samples = 200;
    CHECK_FAILS(sib_mel_compute_device(d, &w, &err), SIB_ERR_VALUE, err, "200");
    w = b;
    w.recordings = SIZE_MAX / 2;
    CHECK_FAILS(sib_mel_compute_device(d, &w, &err), SIB_ERR_SIZE, err, "at once");
    w = b;
    w.samples = (uint64_t)(uintptr_t)here;
    if (is_cuda())
        CHECK_FAILS(sib_mel_compute_device(d, &w, &err), SIB_ERR_ARGUMENT, err, "in no device's memory");
    CHECK_OK(sib_mel_compute_device(d, &b, &err), err);
    sib_mel_device_free(&d);
    let_go(b.samples);
    let_go(b.features);
    sib_mel_free(&mel);
}
