#include "reference.h"

/* Average over the neighbours that exist, in double; valid starts at the first complete neighbourhood. */
static double expected(const float *in, size_t rows, size_t columns, size_t stride, size_t r, size_t c)
{
    double sum = 0;
    int n = 0;
    for (int dr = -1; dr <= 1; dr++)
        for (int dc = -1; dc <= 1; dc++) {
            int64_t i = (int64_t)r + dr, j = (int64_t)c + dc;
            if (i < 0 || j < 0 || i >= (int64_t)rows || j >= (int64_t)columns)
                continue;
            sum += in[(size_t)i * stride + (size_t)j];
            n++;
        }
    return sum / n;
}

TEST(by_definition)
{
    const size_t shapes[][2] = {{1, 1},    {1, 5},    {5, 1},    {2, 2},    {3, 3},    {3, 4},
                                {80, 100}, {5, 1023}, {5, 1024}, {4, 1025}, {4, 2050}, {7, 3000}};
    check_random r = {3};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const size_t rows = shapes[i][0], columns = shapes[i][1], stride = columns + i % 3;
        float *in = malloc(rows * stride * sizeof *in), *out = malloc(rows * stride * sizeof *out);
        for (size_t k = 0; k < rows * stride; k++)
            in[k] = (float)check_uniform(&r);
        for (int mode = SIB_SMOOTH_NONE; mode <= SIB_SMOOTH_VALID; mode++) {
            const size_t lost = mode == SIB_SMOOTH_VALID ? 2 : 0, shift = lost / 2;
            sib_error err = SIB_ERROR_INIT;
            if (rows <= lost || columns <= lost) {
                CHECK_FAILS(sib_smooth3x3((sib_smooth)mode, in, rows, columns, stride, out, stride, &err),
                            SIB_ERR_VALUE, err, "leaves nothing");
                continue;
            }
            CHECK_OK(sib_smooth3x3((sib_smooth)mode, in, rows, columns, stride, out, stride, &err), err);
            for (size_t a = 0; a < rows - lost; a++)
                for (size_t b = 0; b < columns - lost; b++) {
                    double e = mode == SIB_SMOOTH_NONE
                                   ? in[a * stride + b]
                                   : expected(in, rows, columns, stride, a + shift, b + shift);
                    if (!(fabs(out[a * stride + b] - e) <= 5e-7))
                        fail_msg("mode %d, %zu x %zu, at %zu, %zu: %g, expected %g", mode, rows, columns, a,
                                 b, out[a * stride + b], e);
                }
        }
        free(in), free(out);
    }
}

TEST(nan_and_refusals)
{
    float in[25] = {0}, out[25];
    sib_error err = SIB_ERROR_INIT;
    in[12] = NAN;
    CHECK_OK(sib_smooth3x3(SIB_SMOOTH_SAME, in, 5, 5, 5, out, 5, &err), err);
    for (size_t i = 0; i < 25; i++)
        assert_int_equal(isnan(out[i]) != 0, i / 5 >= 1 && i / 5 <= 3 && i % 5 >= 1 && i % 5 <= 3);
    CHECK_FAILS(sib_smooth3x3(SIB_SMOOTH_SAME, in, 5, 5, 4, out, 5, &err), SIB_ERR_SIZE, err, "strides");
    CHECK_FAILS(sib_smooth3x3((sib_smooth)9, in, 5, 5, 5, out, 5, &err), SIB_ERR_ARGUMENT, err, "9");
}

/* Smoothing within a front end equals smoothing of its finished features. */
TEST(fused_equals_apart)
{
    enum { N = 30000 };
    static float x[N];
    ref_speechlike(x, N, 0.5, 21);
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    sib_mel *plain, *mel;
    uint64_t bands, frames, out_bands, out_frames;
    CHECK_OK(sib_mel_spec_preset("whisper", 0, &spec, &err), err);
    CHECK_OK(sib_mel_create(&spec, NULL, &plain, &err), err);
    CHECK_OK(sib_mel_shape(plain, N, &bands, &frames, &err), err);
    float *y = malloc(bands * frames * sizeof *y), *apart = malloc(bands * frames * sizeof *y),
          *fused = malloc(bands * frames * sizeof *y);
    CHECK_OK(sib_mel_compute(plain, NULL, x, N, 0, y, frames, &err), err);
    for (int mode = SIB_SMOOTH_SAME; mode <= SIB_SMOOTH_VALID; mode++) {
        spec.smooth = (sib_smooth)mode;
        CHECK_OK(sib_mel_create(&spec, NULL, &mel, &err), err);
        CHECK_OK(sib_mel_shape(mel, N, &out_bands, &out_frames, &err), err);
        CHECK_OK(sib_mel_compute(mel, NULL, x, N, 0, fused, out_frames, &err), err);
        CHECK_OK(sib_smooth3x3(spec.smooth, y, bands, frames, frames, apart, out_frames, &err), err);
        assert_memory_equal(fused, apart, out_bands * out_frames * sizeof *fused);
        sib_mel_free(&mel);
    }
    free(y), free(apart), free(fused);
    sib_mel_free(&plain);
}
