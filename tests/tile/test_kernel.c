/* The fixed-point kernel on single frames: floors, bounds, the forms of its entry. */
#include "check.h"
#include "tile/tile_kernel.h"

static const tile_bank *const banks[] = {&tile_bank_80, &tile_bank_128};
#define N_BANKS (sizeof banks / sizeof *banks)

/* A bank covers at most 201 bins, with weights whose sums keep E below 2^53. */
TEST(test_banks)
{
    for (size_t b = 0; b < N_BANKS; b++) {
        const tile_bank *bank = banks[b];
        size_t bins = bank->first_bin, at = 0;
        uint32_t falling = 0, rising = 0;
        for (int s = 0; s <= bank->n_bands; s++) {
            const uint32_t before = rising;
            falling = rising = 0;
            for (int i = 0; i < bank->counts[s]; i++, at++) {
                falling += bank->weights[2 * at];
                rising += bank->weights[2 * at + 1];
            }
            assert_true(s == 0 || (before + falling > 3800 && before + falling <= 3898));
            bins += bank->counts[s];
        }
        assert_true(bins <= TILE_BINS);
    }
}

TEST(test_silence_is_the_floor)
{
    int16_t pcm[TILE_FRAME_SAMPLES] = {0}, out[TILE_MAX_BANDS];
    for (size_t b = 0; b < N_BANKS; b++) {
        assert_int_equal(tile_frame(banks[b], pcm, out), TILE_FLOOR);
        for (int m = 0; m < banks[b]->n_bands; m++)
            assert_int_equal(out[m], TILE_FLOOR);
    }
}

/* A batch equals its frames one by one, at both steps; int8 is int16 rounded; the state holds the maximum. */
TEST(test_batch)
{
    enum { N = 7, BANDS = 80 };
    int16_t pcm[N * TILE_FRAME_SAMPLES], each[BANDS], all[N * BANDS];
    int8_t narrow[N * BANDS];
    check_random r = {7};
    for (size_t i = 0; i < N * TILE_FRAME_SAMPLES; i++)
        pcm[i] = (int16_t)(check_u64(&r) >> (48 + i % 7));
    for (size_t step = TILE_HOP_SAMPLES; step <= TILE_FRAME_SAMPLES; step += 240) {
        tile_state s, t;
        tile_reset(&s), tile_reset(&t);
        tile_frames_int16(&s, &tile_bank_80, pcm, step, N, all);
        tile_frames_int8(&t, &tile_bank_80, pcm, step, N, narrow);
        int32_t maximum = TILE_FLOOR;
        for (size_t f = 0; f < N; f++) {
            const int32_t max = tile_frame(&tile_bank_80, pcm + f * step, each);
            maximum = max > maximum ? max : maximum;
            assert_memory_equal(each, all + f * BANDS, sizeof each);
            for (size_t m = 0; m < BANDS; m++)
                assert_int_equal(narrow[f * BANDS + m], (each[m] + 128) >> 8);
        }
        assert_int_equal(s.maximum, maximum);
        assert_int_equal(t.maximum, maximum);
    }
}

/* Values below the maximum - 2.0 are raised to it; the two widths agree. */
TEST(test_clamp)
{
    const tile_state s = {12345};
    const int32_t min = 12345 - TILE_RANGE;
    for (int32_t x = TILE_FLOOR; x <= 12345; x++) {
        int16_t wide = (int16_t)x;
        int8_t narrow = (int8_t)((x + 128) >> 8);
        tile_clamp_int16(&s, &wide, 1);
        tile_clamp_int8(&s, &narrow, 1);
        assert_int_equal(wide, x > min ? x : min);
        assert_int_equal(narrow, (wide + 128) >> 8);
    }
}
