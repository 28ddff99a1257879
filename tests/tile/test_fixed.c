/* Fixed-point features of entire recordings: equal to the definition in terms of the kernel, for any threads,
   clamp and padding; rejected arguments; failing allocations. */
#include "check_memory.h"
#include "tile/tile_kernel.h"

#include <math.h>
#include <sibyl/fixed.h>

enum { N = 16000 + 77, BANDS = 80, FRAMES = N / TILE_HOP_SAMPLES, STRIDE = FRAMES + 3 };
static int16_t samples[N];

static int make_samples(void)
{
    check_random r = {3};
    for (size_t i = 0; i < N; i++)
        samples[i] = (int16_t)((int16_t)(check_u64(&r) >> 48) >> (i / 2000));
    return 0;
}

static int16_t sample_at(int64_t i, int64_t n, int64_t total)
{
    i = i < 0 ? -i : i;
    i = i >= total ? 2 * total - 2 - i : i;
    return i < n ? samples[i] : 0;
}

/* Each frame by itself, in order, with the clamp after it or after all frames. */
static void expected(size_t n, size_t total, sib_fixed_clamp clamp, int16_t *out /* (FRAMES, BANDS) */)
{
    tile_state s;
    tile_reset(&s);
    const size_t frames = total / TILE_HOP_SAMPLES;
    for (size_t t = 0; t < frames; t++) {
        int16_t frame[TILE_FRAME_SAMPLES];
        for (int i = 0; i < TILE_FRAME_SAMPLES; i++)
            frame[i] = sample_at((int64_t)t * TILE_HOP_SAMPLES - 200 + i, (int64_t)n, (int64_t)total);
        tile_frames_int16(&s, &tile_bank_80, frame, 0, 1, out + t * BANDS);
        if (clamp == SIB_FIXED_CLAMP_RUNNING)
            tile_clamp_int16(&s, out + t * BANDS, BANDS);
    }
    if (clamp == SIB_FIXED_CLAMP_WHOLE)
        tile_clamp_int16(&s, out, frames * BANDS);
}

static void check_recording(size_t n, size_t total, sib_fixed_clamp clamp, sib_pool *pool)
{
    static int16_t wide[BANDS * STRIDE], want[FRAMES * BANDS];
    static int8_t narrow[BANDS * STRIDE];
    sib_error err = SIB_ERROR_INIT;
    memset(wide, 0x55, sizeof wide);
    memset(narrow, 0x55, sizeof narrow);
    CHECK_OK(sib_fixed_int16(BANDS, clamp, pool, samples, n, total - n, wide, STRIDE, &err), err);
    CHECK_OK(sib_fixed_int8(BANDS, clamp, pool, samples, n, total - n, narrow, STRIDE, &err), err);
    expected(n, total, clamp, want);
    const size_t frames = total / TILE_HOP_SAMPLES;
    for (size_t m = 0; m < BANDS; m++)
        for (size_t t = 0; t < STRIDE; t++) {
            const int value = t < frames ? want[t * BANDS + m] : 0x5555;
            assert_int_equal(wide[m * STRIDE + t], value);
            assert_int_equal(narrow[m * STRIDE + t], t < frames ? (value + 128) >> 8 : 0x55);
        }
}

TEST(test_recordings)
{
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool = NULL;
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    for (int clamp = SIB_FIXED_CLAMP_WHOLE; clamp <= SIB_FIXED_CLAMP_NONE; clamp++) {
        check_recording(N, N, (sib_fixed_clamp)clamp, NULL);
        check_recording(N, N, (sib_fixed_clamp)clamp, pool);
        check_recording(N - 5000, N, (sib_fixed_clamp)clamp, pool); /* with padding */
        check_recording(201, 201, (sib_fixed_clamp)clamp, NULL);    /* the shortest */
        check_recording(100, 1000, (sib_fixed_clamp)clamp, NULL);
    }
    sib_pool_free(&pool);
}

/* The clamp after the fact equals the clamp at once. */
TEST(test_finish)
{
    static int16_t want[BANDS * STRIDE], got[BANDS * STRIDE];
    static int16_t loud[N]; /* then silent: far below the maximum */
    static int8_t want_narrow[BANDS * STRIDE], got_narrow[BANDS * STRIDE];
    const size_t frames = N / TILE_HOP_SAMPLES, first = frames / 3;
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < N / 2; i++)
        loud[i] = i / 9 % 2 ? 30000 : -30000;
    CHECK_OK(sib_fixed_int16(BANDS, SIB_FIXED_CLAMP_WHOLE, NULL, loud, N, 0, want, STRIDE, &err), err);
    CHECK_OK(sib_fixed_int8(BANDS, SIB_FIXED_CLAMP_WHOLE, NULL, loud, N, 0, want_narrow, STRIDE, &err), err);
    CHECK_OK(sib_fixed_int16(BANDS, SIB_FIXED_CLAMP_NONE, NULL, loud, N, 0, got, STRIDE, &err), err);
    CHECK_OK(sib_fixed_int8(BANDS, SIB_FIXED_CLAMP_NONE, NULL, loud, N, 0, got_narrow, STRIDE, &err), err);
    assert_memory_not_equal(got, want, sizeof want);
    int16_t maximum = INT16_MIN;
    for (size_t m = 0; m < BANDS; m++)
        for (size_t t = 0; t < frames; t++)
            maximum = got[m * STRIDE + t] > maximum ? got[m * STRIDE + t] : maximum;
    sib_fixed_finish_int16(BANDS, maximum, got, first, STRIDE);
    sib_fixed_finish_int16(BANDS, maximum, got + first, frames - first, STRIDE);
    sib_fixed_finish_int8(BANDS, maximum, got_narrow, first, STRIDE);
    sib_fixed_finish_int8(BANDS, maximum, got_narrow + first, frames - first, STRIDE);
    assert_memory_equal(got, want, sizeof want);
    assert_memory_equal(got_narrow, want_narrow, sizeof want_narrow);
}

/* floor(sum / count + 1 / 2) over the neighbours that exist, in place, at sizes around those of the blocks. */
TEST(test_average)
{
    enum { ROWS = 5, STRIDE_MAX = 601 };
    static const size_t sizes[] = {1, 2, 3, 4, 100, 255, 256, 257, 258, 259, 512, 513, 600};
    static int16_t x[ROWS * STRIDE_MAX], wide[ROWS * STRIDE_MAX];
    static int8_t narrow[ROWS * STRIDE_MAX];
    sib_error err = SIB_ERROR_INIT;
    check_random r = {8};
    for (size_t k = 0; k < 13 * ROWS * 3; k++) {
        const size_t columns = sizes[k % 13], rows = 1 + k / 13 % ROWS, stride = columns + k % 2;
        const sib_smooth mode = (sib_smooth)(k / 13 / ROWS);
        const int lost = mode == SIB_SMOOTH_VALID ? 2 : 0;
        for (size_t i = 0; i < rows * stride; i++) {
            x[i] = (int16_t)((int16_t)check_u64(&r) >> (k % 4 ? 8 : 0));
            wide[i] = x[i];
            narrow[i] = (int8_t)x[i];
        }
        if (lost && (rows < 3 || columns < 3)) {
            CHECK_FAILS(sib_fixed_smooth_int16(mode, wide, rows, columns, stride, &err), SIB_ERR_VALUE, err,
                        "leaves nothing");
            continue;
        }
        CHECK_OK(sib_fixed_smooth_int16(mode, wide, rows, columns, stride, &err), err);
        CHECK_OK(sib_fixed_smooth_int8(mode, narrow, rows, columns, stride, &err), err);
        for (int m = 0; m < (int)rows - lost; m++)
            for (int t = 0; t < (int)columns - lost; t++) {
                int sum = 0, sum8 = 0, n = 0;
                for (int i = m - 1 + lost / 2; i <= m + 1 + lost / 2; i++)
                    for (int c = t - 1 + lost / 2; c <= t + 1 + lost / 2; c++)
                        if (i >= 0 && i < (int)rows && c >= 0 && c < (int)columns) {
                            sum += x[(size_t)i * stride + (size_t)c];
                            sum8 += (int8_t)x[(size_t)i * stride + (size_t)c];
                            n++;
                        }
                const size_t at = (size_t)m * stride + (size_t)t;
                const int want = mode ? (int)floor((double)sum / n + 0.5) : x[at],
                          want8 = mode ? (int)floor((double)sum8 / n + 0.5) : (int8_t)x[at];
                if (wide[at] != want || narrow[at] != want8)
                    fail_msg("%zu x %zu, mode %d, row %d, column %d: %d and %d, expected %d and %d", rows,
                             columns, (int)mode, m, t, wide[at], narrow[at], want, want8);
            }
    }
    CHECK_FAILS(sib_fixed_smooth_int16(SIB_SMOOTH_SAME, wide, 3, 4, 3, &err), SIB_ERR_SIZE, err,
                "row_stride");
    CHECK_FAILS(sib_fixed_smooth_int8((sib_smooth)7, narrow, 3, 4, 4, &err), SIB_ERR_ARGUMENT, err, "7");
}

TEST(test_refused)
{
    sib_error err = SIB_ERROR_INIT;
    int16_t out[BANDS];
    uint64_t frames;
    CHECK_FAILS(sib_fixed_shape(64, 1000, &frames, &err), SIB_ERR_ARGUMENT, err, "n_mels is 64");
    CHECK_FAILS(sib_fixed_shape(80, 200, &frames, &err), SIB_ERR_VALUE, err, "200 samples");
    CHECK_FAILS(sib_fixed_shape(80, UINT64_MAX, &frames, &err), SIB_ERR_SIZE, err, "too many");
    CHECK_FAILS(sib_fixed_int16(80, 0, NULL, samples, 320, 0, out, 1, &err), SIB_ERR_SIZE, err,
                "row_stride is 1");
    CHECK_FAILS(sib_fixed_int16(80, 3, NULL, samples, 320, 0, out, 2, &err), SIB_ERR_ARGUMENT, err,
                "clamp is 3");
    CHECK_FAILS(sib_fixed_int16(80, 0, NULL, samples, 320, SIZE_MAX, out, 2, &err), SIB_ERR_SIZE, err,
                "padding");
}

TEST(test_memory_fails)
{
    static int16_t out[BANDS * STRIDE];
    sib_error err = SIB_ERROR_INIT;
    CHECK_SOME_ALLOCATIONS(check_k + 1, sib_fixed_int16(80, 0, NULL, samples, N, 0, out, STRIDE, &err),
                           assert_true(check_k < 10 && (!err.code || strstr(err.message, "out of memory"))));
}

TEST(test_memory_of_the_average_fails)
{
    static int16_t x[12];
    sib_error err = SIB_ERROR_INIT;
    CHECK_SOME_ALLOCATIONS(check_k + 1, sib_fixed_smooth_int16(SIB_SMOOTH_SAME, x, 3, 4, 4, &err), (void)0);
}

TEST_FIXTURE(make_samples, NULL)
