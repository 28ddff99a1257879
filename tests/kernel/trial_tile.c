/* Frames in fixed point of the host against those of the kernel of small processors, bit by bit. */
#include "trial.h"

#include "base/size.h"

#include <math.h>

enum { KINDS = 7, MAX_FRAMES = 67 };

static int16_t sample(trial *t, size_t i)
{
    const int16_t any = (int16_t)(check_u64(&t->r) >> 48);
    switch (t->bench ? 0 : t->round % KINDS) {
    case 0: /* levels from full scale to one bit, a few frames each */
        return (int16_t)(any >> (i / 650 % 17));
    case 1:
        return any < 0 ? INT16_MIN : INT16_MAX;
    case 2:
        return i % 1000 ? 0 : any;
    case 3:
        return (int16_t)(32767 * sin((double)(i * i) * 2e-5));
    case 4:
        return INT16_MIN;
    case 5:
        return i % 2 ? INT16_MAX : INT16_MIN;
    default: /* a tone that grows from zero, over weak noise */
        return (int16_t)((double)i * 2.9 * sin((double)i * 0.7) + any / 30000);
    }
}

static void block(trial *t)
{
    const tile_lanes *lanes = &t->tables->tile;
    const tile_bank *bank = t->round % 2 ? &tile_bank_80 : &tile_bank_128;
    size_t n = t->bench ? MAX_FRAMES : 1 + t->round * 7 % MAX_FRAMES, stride = n + trial_pick(t, 0, 5);
    size_t n_samples = (n - 1) * TILE_HOP_SAMPLES + TILE_FRAME_SAMPLES,
           units = size_ceil_div(lanes->scratch_bytes, 64);
    int16_t *x = trial_in(t, n_samples, sizeof *x);
    for (size_t i = 0; i < n_samples; i++)
        x[i] = sample(t, i);
    int16_t *out = trial_out(t, sizeof *out, bank->n_bands, n, stride, 0),
            *maxima = trial_out(t, sizeof *maxima, 1, n, n, 0);
    void *scratch = trial_out(t, 64, 1, units, units, TRIAL_ALONE);
    TIMED(t, n * bank->n_bands, lanes->block(bank, x, n, out, stride, maxima, scratch));
    for (size_t i = 0; i < n; i++) {
        int16_t want[TILE_MAX_BANDS];
        trial_expect(t, i, maxima[i], tile_frame(bank, x + i * TILE_HOP_SAMPLES, want), 0);
        for (size_t m = 0; m < bank->n_bands; m++)
            trial_expect(t, m * n + i, out[m * stride + i], want[m], 0);
    }
}

static const trial_row rows[] = {
    OTHER_ENTRY(0, tile.block, block),
    OTHER_DATA(tile.scratch_bytes),
    OTHER_DATA(tile.lanes),
};
const trial_family family_tile = {"tile", rows, COUNT(rows)};
