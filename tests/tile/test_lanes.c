/* The kernels of every CPU level against the portable one, bit by bit: samples of every level, extremes,
   silence, and numbers of frames that leave lanes empty. */
#include "base/alloc.h"
#include "check.h"
#include "tile/tile_lanes.h"

#include <math.h>

enum { MOST_FRAMES = 67, STRIDE = MOST_FRAMES + 5, SAMPLES = MOST_FRAMES * TILE_HOP_SAMPLES + 240 };

static void check_block(const tile_lanes *lanes, const tile_bank *bank, const int16_t *x, size_t frames)
{
    static int16_t got[TILE_MAX_BANDS * STRIDE], want[TILE_MAX_BANDS * STRIDE], got_maxima[STRIDE],
        want_maxima[STRIDE];
    void *scratch = mem_alloc(1, lanes->scratch_bytes), *other = mem_alloc(1, tile_lanes_c.scratch_bytes);
    memset(got, 0x55, sizeof got), memset(want, 0x55, sizeof want);
    memset(got_maxima, 0x55, sizeof got_maxima), memset(want_maxima, 0x55, sizeof want_maxima);
    tile_lanes_c.block(bank, x, frames, want, STRIDE, want_maxima, other);
    lanes->block(bank, x, frames, got, STRIDE, got_maxima, scratch);
    for (size_t i = 0; i < TILE_MAX_BANDS * STRIDE; i++)
        if (got[i] != want[i])
            fail_msg("%zu frames: band %zu frame %zu is %d, expected %d", frames, i / STRIDE, i % STRIDE,
                     got[i], want[i]);
    assert_memory_equal(got_maxima, want_maxima, sizeof got_maxima);
    mem_free(scratch), mem_free(other);
}

static void fill(int16_t *x, int kind)
{
    check_random r = {(uint64_t)kind + 1};
    for (int i = 0; i < SAMPLES; i++) {
        const int16_t any = (int16_t)(check_u64(&r) >> 48);
        switch (kind) {
        case 0: /* levels from full scale to one bit, a few frames each */
            x[i] = (int16_t)(any >> (i / 650 % 17));
            break;
        case 1:
            x[i] = any < 0 ? INT16_MIN : INT16_MAX;
            break;
        case 2:
            x[i] = i % 1000 ? 0 : any;
            break;
        case 3:
            x[i] = (int16_t)(32767 * sin(i * i * 2e-5));
            break;
        case 4:
            x[i] = INT16_MIN;
            break;
        case 5:
            x[i] = i % 2 ? INT16_MAX : INT16_MIN;
            break;
        default: /* a tone that grows from zero, over weak noise */
            x[i] = (int16_t)(i * 2.9 * sin(i * 0.7) + any / 30000);
            break;
        }
    }
}

TEST(test_levels)
{
    static int16_t x[SAMPLES];
    for (int level = CPU_C + 1; level < CPU_LEVELS; level++) {
        const tile_lanes *lanes = tile_lanes_for((cpu_level)level);
        if (!cpu_level_runs((cpu_level)level)) {
            print_message("level %s skipped for want of a processor that has it\n",
                          cpu_level_name((cpu_level)level));
            continue;
        }
        assert_ptr_not_equal(lanes, &tile_lanes_c);
        for (int kind = 0; kind < 7; kind++) {
            fill(x, kind);
            check_block(lanes, &tile_bank_80, x, MOST_FRAMES);
            check_block(lanes, &tile_bank_128, x, MOST_FRAMES);
        }
        fill(x, 0);
        for (size_t frames = 1; frames <= 40; frames++)
            check_block(lanes, &tile_bank_80, x, frames);
    }
}
