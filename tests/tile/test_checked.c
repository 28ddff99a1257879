/* The kernel with checked arithmetic: no result overflows and no shift is too long, whatever the samples. It
   is compiled into this program instead of the library's. */
#define TILE_CHECKED 1
/* first, so that the kernel's headers see the macro */
#include "check.h"
#include "tile/tile_kernel.c"

#include <math.h>

static const char *fault;

void tile_fault(const char *where)
{
    if (!fault)
        fault = where;
}

static const double pi = 3.14159265358979323846;

static void check_frame(const char *name, int number, const int16_t *pcm)
{
    int16_t out[TILE_MAX_BANDS];
    int8_t narrow[TILE_MAX_BANDS];
    tile_state state;
    tile_reset(&state);
    tile_frame(&tile_bank_80, pcm, out);
    tile_frames_int8(&state, &tile_bank_128, pcm, 0, 1, narrow);
    tile_clamp_int8(&state, narrow, tile_bank_128.n_bands);
    tile_frames_int16(&state, &tile_bank_80, pcm, 0, 1, out);
    tile_clamp_int16(&state, out, tile_bank_80.n_bands);
    if (fault)
        fail_msg("%s %d: does not fit in '%s'", name, number, fault);
}

/* The checks themselves: each operation reports results out of range. */
TEST(test_faults_are_seen)
{
    volatile int32_t max = INT32_MAX, min = INT32_MIN, zero = 0;
#define SEEN(operation)                                                                                      \
    do {                                                                                                     \
        fault = NULL;                                                                                        \
        (void)(operation);                                                                                   \
        assert_non_null(fault);                                                                              \
    } while (0)
    SEEN(tile_add(max, 1));
    SEEN(tile_sub(min, 1));
    SEEN(tile_mul(max, 2));
    SEEN(tile_mac(max, 1, 1));
    SEEN(tile_narrow(32768));
    SEEN(tile_round(max, 1));
    SEEN(tile_magnitude(min));
    SEEN(tile_dot_q31(max, max, max, max) + zero);
    SEEN(tile_weigh(UINT64_C(1) << 53, 1, 1));
    fault = NULL;
}

/* For each bin and a few phases, the signs of a full-scale wave: no other frame has more energy in that
   bin. */
TEST(test_waves_of_each_bin)
{
    int16_t pcm[TILE_FRAME_SAMPLES];
    for (int k = 0; k < TILE_BINS; k++)
        for (int phase = 0; phase < 8; phase++) {
            for (int n = 0; n < TILE_FRAME_SAMPLES; n++)
                pcm[n] = cos(2 * pi * k * n / TILE_FRAME_SAMPLES + phase * pi / 4 + 0.01) < 0 ? INT16_MIN
                                                                                              : INT16_MAX;
            check_frame("signs of bin", k, pcm);
        }
}

/* Frames whose sums and differences of columns have the signs of one row of the second transform, which makes
   the sums of that row as large as possible; other rows are silent. */
TEST(test_signs_of_rows)
{
    int16_t pcm[TILE_FRAME_SAMPLES];
    for (int k1 = 0; k1 <= 8; k1++)
        for (int k2 = 0; k2 < 25; k2++)
            for (int kind = 0; kind < 4; kind++) {
                for (int b = 0; b < 25; b++)
                    for (int a = 0; a < 16; a++) {
                        const double turn = 2 * pi * k2 * b / 25,
                                     wave = cos(2 * pi * k1 * a / 16 + (kind & 1) * pi / 2);
                        const double sign = (kind & 2 ? cos(turn) : cos(turn) - sin(turn)) < 0 ? -1 : 1;
                        pcm[(25 * a + 16 * b) % TILE_FRAME_SAMPLES] =
                            (int16_t)(32767 * sign * (wave < 0 ? -1 : 1));
                    }
                check_frame("signs of row", 25 * k1 + k2, pcm);
            }
}

TEST(test_random)
{
    check_random r = {21};
    int16_t pcm[TILE_FRAME_SAMPLES];
    const int frames = getenv("SIBYL_QUICK") ? 500 : 5000;
    for (int f = 0; f < frames; f++) {
        const int shift = f % 16, extremes = f % 3 == 0;
        for (int n = 0; n < TILE_FRAME_SAMPLES; n++) {
            const int16_t x = (int16_t)(check_u64(&r) >> 48);
            pcm[n] = extremes ? (x < 0 ? INT16_MIN : INT16_MAX) : (int16_t)(x >> shift);
        }
        check_frame("random", f, pcm);
    }
}

/* Single samples, constants, steps, and recordings with silent ends. */
TEST(test_edges)
{
    static const int16_t levels[] = {INT16_MIN, -32767, -2, -1, 1, 2, 32766, INT16_MAX};
    int16_t pcm[TILE_FRAME_SAMPLES];
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++)
        for (int at = 0; at < TILE_FRAME_SAMPLES; at++) {
            memset(pcm, 0, sizeof pcm);
            pcm[at] = levels[l];
            check_frame("single", at, pcm);
            for (int n = at; n < TILE_FRAME_SAMPLES; n++)
                pcm[n] = levels[l];
            check_frame("step", at, pcm);
            for (int n = 0; n < at; n++)
                pcm[n] = levels[sizeof levels / sizeof *levels - 1 - l];
            check_frame("two levels", at, pcm);
        }
}
