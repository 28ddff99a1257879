/* The simulated machine: its bits equal those of the kernel on the entire recording; failures are
   reported. */
#include "asked.h"
#include "check_memory.h"
#include "tile/tile_kernel.h"

#include <sibyl/tile.h>

#define MAX_SAMPLES 48000

/* A tone that sweeps and swells, with noise. */
static void make_recording(int16_t *samples, size_t n, uint64_t seed)
{
    check_random r = {seed};
    uint32_t phase = 0;
    for (size_t i = 0; i < n; i++) {
        phase += 1000000 + (uint32_t)(i * 3000);
        const double tone = (double)(int32_t)phase / 2147483648.0, level = (double)(i % 9000) / 9000;
        samples[i] = (int16_t)(20000 * level * tone + 500 * check_uniform(&r));
    }
}

/* The kernel on the recording, and the clamp, without the machine. out: (frames, bands). */
static void plain(const int16_t *samples, size_t n, const sib_tile_options *o, void *out)
{
    const size_t edge = SIB_TILE_WINDOW / 2, frames = n / SIB_TILE_HOP;
    int16_t *mirrored = malloc((n + 2 * edge) * sizeof *mirrored);
    tile_state state;
    const tile_bank *bank = o->bands == 80 ? &tile_bank_80 : &tile_bank_128;
    assert_non_null(mirrored);
    for (size_t i = 0; i < n + 2 * edge; i++) {
        const long at = (long)i - (long)edge, last = (long)n - 1;
        mirrored[i] = samples[at < 0 ? -at : at > last ? 2 * last - at : at];
    }
    tile_reset(&state);
    if (o->out == SIB_TILE_INT8) {
        tile_frames_int8(&state, bank, mirrored, SIB_TILE_HOP, frames, out);
        tile_clamp_int8(&state, out, frames * o->bands);
    } else {
        tile_frames_int16(&state, bank, mirrored, SIB_TILE_HOP, frames, out);
        tile_clamp_int16(&state, out, frames * o->bands);
    }
    free(mirrored);
}

/* Runs a plan of n samples and compares with what the plain kernel makes of them; returns false if it does not
   fit. */
static bool compare_with(const void *expected, const sib_tile_options *o, const int16_t *samples, size_t n,
                         sib_tile_report *report)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tile_plan p;
    uint64_t frames;
    CHECK_OK(sib_tile_frames(n, &frames, &err), err);
    CHECK_OK(sib_tile_plan_make(o, frames, &p, &err), err);
    if (!p.fits)
        return false;
    const size_t bytes = (size_t)frames * o->bands * (o->out == SIB_TILE_INT8 ? 1 : 2);
    void *found = malloc(bytes + 1);
    assert_non_null(found);
    memset(found, 0x55, bytes + 1);
    CHECK_OK(sib_tile_simulate(&p, samples, n, NULL, found, report, &err), err);
    if (memcmp(expected, found, bytes) != 0)
        fail_msg("batch %u, depth %u, tiles %u, bands %u: bits differ", (unsigned)o->batch,
                 (unsigned)o->depth, (unsigned)o->tiles, (unsigned)o->bands);
    assert_int_equal(((unsigned char *)found)[bytes], 0x55);
    assert_int_equal(report->calls, p.calls);
    assert_int_equal(report->transfers, p.transfers);
    assert_int_equal(report->bytes_in, p.bytes_in);
    assert_int_equal(report->bytes_out, p.bytes_out);
    free(found);
    return true;
}

static bool compare(const sib_tile_options *o, const int16_t *samples, size_t n, sib_tile_report *report)
{
    void *expected = malloc(n / SIB_TILE_HOP * o->bands * 2);
    assert_non_null(expected);
    plain(samples, n, o, expected);
    const bool fits = compare_with(expected, o, samples, n, report);
    free(expected);
    return fits;
}

/* Every batch up to 40 and some larger ones, every depth, every number of tiles; frame counts that no batch
   divides. */
TEST(every_plan)
{
    static int16_t samples[MAX_SAMPLES];
    const bool quick = getenv("SIBYL_QUICK") != NULL;
    const size_t n = quick ? 5000 : 17123;
    const sib_tile_options any = asked(1, 1, 1);
    static int8_t expected[MAX_SAMPLES / SIB_TILE_HOP * 80];
    size_t ran = 0;
    make_recording(samples, n, 7);
    plain(samples, n, &any, expected);
    for (uint32_t tiles = 1; tiles <= SIB_TILE_MAX; tiles++)
        for (uint32_t depth = 1; depth <= 2; depth++)
            for (uint32_t batch = 1; batch <= 160; batch += batch < 40 ? 1 + 2 * quick : 17) {
                const sib_tile_options o = asked(batch, depth, tiles);
                sib_tile_report report;
                ran += compare_with(expected, &o, samples, n, &report);
            }
    assert_true(ran > (quick ? 500 : 1200));
}

TEST(every_output)
{
    static int16_t samples[MAX_SAMPLES];
    make_recording(samples, MAX_SAMPLES, 11);
    for (int kind = 0; kind < 4; kind++)
        for (uint32_t tiles = 1; tiles <= SIB_TILE_MAX; tiles += 5) {
            sib_tile_options o = asked(5 * tiles, 2, tiles);
            sib_tile_report report;
            o.bands = kind & 1 ? 128 : 80;
            o.out = kind & 2 ? SIB_TILE_INT16 : SIB_TILE_INT8;
            assert_true(compare(&o, samples, MAX_SAMPLES, &report));
        }
}

/* One frame, or fewer frames than tiles; lengths around a hop. */
TEST(short_recordings)
{
    static int16_t samples[MAX_SAMPLES];
    sib_error err = SIB_ERROR_INIT;
    make_recording(samples, 2000, 3);
    for (size_t n = 201; n < 900; n += 53)
        for (uint32_t tiles = 1; tiles <= SIB_TILE_MAX; tiles += 3)
            for (uint32_t depth = 1; depth <= 2; depth++) {
                const sib_tile_options o = asked(2 * tiles, depth, tiles);
                sib_tile_report report;
                assert_true(compare(&o, samples, n, &report));
            }
    sib_tile_plan p;
    const sib_tile_options o = asked(4, 2, 2);
    int8_t out[80];
    CHECK_OK(sib_tile_plan_make(&o, 1, &p, &err), err);
    CHECK_FAILS(sib_tile_simulate(&p, samples, 200, NULL, out, NULL, &err), SIB_ERR_VALUE, err,
                "200 samples");
}

/* Each fault at some calls, the last one among them, of every number of tiles; quick runs take other calls for
   other numbers of tiles. */
TEST(faults)
{
    static int16_t samples[MAX_SAMPLES];
    static int8_t out[MAX_SAMPLES / 160 * 80];
    static const struct {
        sib_tile_fault fault;
        const char *words;
    } kinds[] = {{SIB_TILE_LOST_LOCK, "lost lock"},
                 {SIB_TILE_LATE_DMA, "late DMA"},
                 {SIB_TILE_BATCH, "batches differ"},
                 {SIB_TILE_OVERRUN, "overrun"}};
    make_recording(samples, MAX_SAMPLES, 5);
    for (size_t k = 0; k < 4; k++)
        for (uint32_t tiles = 1; tiles <= SIB_TILE_MAX; tiles++)
            for (uint32_t depth = 1; depth <= 2; depth++)
                for (uint64_t call = 0, at = 0; call < 1000; call = call * 7 + 1, at++) {
                    if (getenv("SIBYL_QUICK") && (tiles + 2 * depth + at) % 5)
                        continue;
                    const sib_tile_options o = asked(3 * tiles, depth, tiles);
                    const sib_tile_simulation s = {kinds[k].fault, call, (uint32_t)(call + 5 * k) % tiles};
                    sib_error err = SIB_ERROR_INIT;
                    sib_tile_plan p;
                    char tile[32] = "tile (";
                    CHECK_OK(sib_tile_plan_make(&o, MAX_SAMPLES / 160, &p, &err), err);
                    if (kinds[k].fault != SIB_TILE_BATCH) {
                        uint32_t column = 0, row = 0, t = s.fault_tile;
                        for (; t >= tiles / 4 + (column < tiles % 4); column++)
                            t -= tiles / 4 + (column < tiles % 4);
                        row = 2 + t;
                        snprintf(tile, sizeof tile, "tile (%u, %u)", (unsigned)column, (unsigned)row);
                    }
                    const sib_code code = sib_tile_simulate(&p, samples, MAX_SAMPLES, &s, out, NULL, &err);
                    if (code != SIB_ERR_VALUE || !strstr(err.message, kinds[k].words) ||
                        !strstr(err.message, tile))
                        fail_msg("fault %zu, %u tiles, depth %u, call %u: %s", k, (unsigned)tiles,
                                 (unsigned)depth, (unsigned)call, err.message);
                }
}

TEST(refused)
{
    sib_error err = SIB_ERROR_INIT;
    static int16_t samples[1600];
    int8_t out[800];
    sib_tile_plan p;
    sib_tile_options o = asked(100, 2, 1);
    CHECK_OK(sib_tile_plan_make(&o, 10, &p, &err), err);
    CHECK_FAILS(sib_tile_simulate(&p, samples, 1600, NULL, out, NULL, &err), SIB_ERR_SIZE, err,
                "the plan needs");
    o = asked(10, 2, 1);
    CHECK_OK(sib_tile_plan_make(&o, 11, &p, &err), err);
    CHECK_FAILS(sib_tile_simulate(&p, samples, 1600, NULL, out, NULL, &err), SIB_ERR_ARGUMENT, err,
                "11 frames");
}

TEST(failing_allocations)
{
    static int16_t samples[4000];
    static int8_t out[25 * 80];
    const sib_tile_options o = asked(12, 2, 12);
    sib_error err = SIB_ERROR_INIT;
    sib_tile_plan p;
    CHECK_OK(sib_tile_plan_make(&o, 25, &p, &err), err);
    CHECK_EVERY_ALLOCATION(sib_tile_simulate(&p, samples, 4000, NULL, out, NULL, &err),
                           assert_true(check_k > 11));
}
