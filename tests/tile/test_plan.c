/* The planner against sums written out here, and against the published table. */
#include "asked.h"
#include "check.h"
#include "tile/facts.h"
#include "tile/program.h"

#include <math.h>
#include <sibyl/tile.h>

static sib_tile_plan planned(const sib_tile_options *o, uint64_t frames)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tile_plan p;
    CHECK_OK(sib_tile_plan_make(o, frames, &p, &err), err);
    return p;
}

static uint64_t kernel_bytes(uint32_t bands, sib_tile_out out)
{
    const tile_facts *f = tile_facts_of(bands, out);
    return (uint64_t)f->stack + f->constants + f->state;
}

/* The published figures, in bytes; a KB is 1,000 bytes. */
TEST(published)
{
    static const struct {
        uint32_t batch;
        uint64_t in, out, total, calls;
    } rows[] = {{1, 1600, 160, 5360, 628163},
                {10, 16000, 1600, 21700, 62817},
                {20, 32000, 3200, 39200, 31409},
                {50, 80000, 8000, 92000, 12564},
                {100, 160000, 16000, 177000, 6282}};
    sib_tile_published row;
    for (size_t i = 0; i < 5; i++) {
        assert_true(sib_tile_published_row(i, &row));
        assert_int_equal(row.batch, rows[i].batch);
        assert_int_equal(row.fifo_in, rows[i].in);
        assert_int_equal(row.fifo_out, rows[i].out);
        assert_int_equal(row.total, rows[i].total);
        assert_int_equal(row.calls, rows[i].calls);
        /* The planner's own buffers and calls are equal. */
        const sib_tile_options o = asked(rows[i].batch, 2, 1);
        const sib_tile_plan p = planned(&o, SIB_TILE_PUBLISHED_FRAMES);
        assert_int_equal(p.fifo_in, rows[i].in);
        assert_int_equal(p.fifo_out, rows[i].out);
        assert_int_equal(p.calls, rows[i].calls);
        assert_int_equal(p.total, rows[i].in + rows[i].out + kernel_bytes(80, SIB_TILE_INT8));
    }
    assert_false(sib_tile_published_row(5, &row));
}

TEST(single_frames_take_what_was_measured)
{
    const sib_tile_options o = asked(1, 2, 1);
    const sib_tile_plan p = planned(&o, SIB_TILE_PUBLISHED_FRAMES);
    assert_true(fabs(p.seconds - 134) < 0.5);
}

/* Over batches, depths, tiles, bands and types: every sum recomputed. */
TEST(sums)
{
    static const uint32_t batches[] = {1, 2, 7, 10, 31, 100, 999};
    for (size_t b = 0; b < 7; b++)
        for (uint32_t depth = 1; depth <= 2; depth++)
            for (uint32_t tiles = 1; tiles <= SIB_TILE_MAX; tiles++)
                for (int kind = 0; kind < 4; kind++) {
                    sib_tile_options o = asked(batches[b], depth, tiles);
                    o.bands = kind & 1 ? 128 : 80;
                    o.out = kind & 2 ? SIB_TILE_INT16 : SIB_TILE_INT8;
                    const uint64_t width = o.bands * (kind & 2 ? 2u : 1u), frames = 1234;
                    const sib_tile_plan p = planned(&o, frames);
                    const uint64_t rows = (o.batch + tiles - 1) / tiles, used = (o.batch + rows - 1) / rows;
                    const uint64_t calls = (frames + o.batch - 1) / o.batch;
                    assert_int_equal(p.rows, rows);
                    assert_int_equal(p.tiles_used, used);
                    assert_int_equal(p.total, depth * rows * (800 + width) + kernel_bytes(o.bands, o.out));
                    assert_int_equal(p.calls, calls);
                    assert_int_equal(p.bytes_in, calls * used * rows * 800);
                    assert_int_equal(p.bytes_out, calls * used * rows * width);
                    assert_int_equal(p.bytes_host, frames * 320 + 480);
                    assert_int_equal(p.transfers, 2 * calls * p.channels);
                    assert_true(p.fits == (p.total <= 65536 && p.memory_tile <= 524288));
                }
}

/* Every frame of a call is moved by one channel and computed by one tile; no column has more channels than
   its shim. */
TEST(programs)
{
    for (uint32_t tiles = 1; tiles <= SIB_TILE_MAX; tiles++)
        for (uint32_t batch = 1; batch <= 70; batch++) {
            const sib_tile_options o = asked(batch, 2, tiles);
            const sib_tile_plan p = planned(&o, 100);
            tile_program g;
            uint32_t in_column[TILE_COLUMNS] = {0}, seen = 0, linked = 0;
            tile_program_make(&p, &g);
            assert_int_equal(g.n_channels, p.channels);
            assert_int_equal(g.n_tiles, p.tiles_used);
            for (uint32_t c = 0; c < g.n_channels; c++) {
                const tile_channel *ch = &g.channels[c];
                in_column[ch->column]++;
                linked += ch->linked;
                assert_int_equal(ch->first_tile, seen);
                assert_int_equal(ch->in.offset, (uint64_t)seen * g.rows * 160);
                assert_int_equal(ch->in.sizes[2], ch->n_tiles * g.rows);
                assert_int_equal(ch->in.sizes[3], 400);
                assert_int_equal(ch->in.strides[2], 160);
                assert_int_equal(ch->out.offset, (uint64_t)seen * g.rows * 80);
                for (uint32_t t = seen; t < seen + ch->n_tiles; t++) {
                    assert_int_equal(g.tiles[t].channel, c);
                    assert_int_equal(g.tiles[t].column, ch->column);
                    assert_int_equal(g.tiles[t].first, t * g.rows);
                    assert_in_range(g.tiles[t].row, 2, 5);
                }
                seen += ch->n_tiles;
            }
            assert_int_equal(seen, g.n_tiles);
            assert_int_equal(linked, p.linked);
            for (uint32_t c = 0; c < TILE_COLUMNS; c++)
                assert_in_range(in_column[c], 0, TILE_SHIM_CHANNELS);
            assert_true(g.n_tiles * g.rows >= batch && (g.n_tiles - 1) * g.rows < batch);
        }
}

static bool has(const sib_tile_advice *advice, size_t n, sib_tile_change change, uint32_t depth,
                uint32_t tiles)
{
    for (size_t i = 0; i < n; i++)
        if (advice[i].change == change)
            return advice[i].plan.fits && advice[i].plan.options.depth == depth &&
                   advice[i].plan.options.tiles == tiles;
    return false;
}

/* 100 frames do not fit on one tile; they fit on two with depth 1 only, and on four with depth 2. */
TEST(a_hundred_frames)
{
    sib_tile_advice advice[SIB_TILE_CHANGES];
    size_t n;
    sib_tile_options o = asked(100, 2, 1);
    sib_tile_plan p = planned(&o, 1000);
    assert_false(p.fits);
    sib_tile_advise(&p, advice, &n);
    assert_true(has(advice, n, SIB_TILE_MORE_TILES, 2, 3)); /* 34 frames each, two of them padding */
    assert_true(has(advice, n, SIB_TILE_EVEN_TILES, 2, 4));
    assert_true(has(advice, n, SIB_TILE_MORE_TILES_1, 1, 2));
    assert_true(has(advice, n, SIB_TILE_SMALLER_BATCH, 2, 1));
    assert_false(has(advice, n, SIB_TILE_DEPTH_1, 1, 1));
    o = asked(100, 2, 2);
    p = planned(&o, 1000);
    assert_false(p.fits);
    sib_tile_advise(&p, advice, &n);
    assert_true(has(advice, n, SIB_TILE_DEPTH_1, 1, 2));
    o = asked(100, 1, 2);
    assert_true(planned(&o, 1000).fits);
    o = asked(100, 2, 4);
    p = planned(&o, 1000);
    assert_true(p.fits);
    sib_tile_advise(&p, advice, &n);
    assert_int_equal(n, 0);
    /* 30 frames fit on one tile, double-buffered. */
    o = asked(30, 2, 1);
    assert_true(planned(&o, 1000).fits);
}

/* One frame more than the largest batch does not fit. */
TEST(the_largest_batch)
{
    for (uint32_t depth = 1; depth <= 2; depth++)
        for (uint32_t tiles = 1; tiles <= SIB_TILE_MAX; tiles++) {
            sib_tile_advice advice[SIB_TILE_CHANGES];
            size_t n;
            sib_tile_options o = asked(5000, depth, tiles);
            const sib_tile_plan p = planned(&o, 1000);
            sib_tile_advise(&p, advice, &n);
            const sib_tile_plan *best = NULL;
            for (size_t i = 0; i < n; i++)
                if (advice[i].change == SIB_TILE_SMALLER_BATCH)
                    best = &advice[i].plan;
            assert_non_null(best);
            assert_true(best->fits);
            o.batch = best->options.batch + 1;
            assert_false(planned(&o, 1000).fits);
        }
}

/* Sequential and overlapped steps, written out for one plan. */
TEST(costs)
{
    sib_tile_options o = asked(40, 1, 4);
    o.cost = (sib_tile_cost){1e-3, 1e-8, 1e-4};
    sib_tile_plan p = planned(&o, 400);
    const double in = 10 * 800 * 1e-8, compute = 10 * 1e-4, out = 10 * 80 * 1e-8;
    assert_true(fabs(p.seconds - 10 * (1e-3 + in + compute + out)) < 1e-12);
    o.depth = 2;
    p = planned(&o, 400);
    assert_true(fabs(p.seconds - (10 * (1e-3 + compute) + in + out)) < 1e-12);
    o = asked(160, 2, 16); /* a channel feeds four tiles */
    o.cost = (sib_tile_cost){0, 1e-8, 0};
    p = planned(&o, 1600);
    assert_true(fabs(p.seconds - (10 * 4 * in + 4 * out)) < 1e-12);
}

/* The best plan, against all possible plans. */
TEST(best)
{
    sib_error err = SIB_ERROR_INIT;
    static const sib_tile_cost models[] = {
        {213e-6, 0, 0}, {114e-6, 1e-9, 98e-6}, {0, 1e-8, 1e-9}, {1e-4, 1e-7, 0}};
    for (size_t m = 0; m < 4; m++)
        for (uint64_t frames = 1; frames < 4000; frames = frames * 3 + 1) {
            sib_tile_options o = asked(1, 1, 6);
            sib_tile_plan found;
            o.cost = models[m];
            CHECK_OK(sib_tile_plan_best(&o, frames, &found, &err), err);
            assert_true(found.fits);
            for (uint32_t tiles = 1; tiles <= 6; tiles++)
                for (uint32_t depth = 1; depth <= 2; depth++)
                    for (uint32_t rows = 1; rows <= 80; rows++) {
                        sib_tile_options other = asked(rows * tiles, depth, tiles);
                        other.cost = models[m];
                        const sib_tile_plan p = planned(&other, frames);
                        if (p.fits)
                            assert_true(found.seconds <= p.seconds);
                    }
        }
}

TEST(refused)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tile_plan p;
    sib_tile_options o = asked(0, 2, 1);
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_ARGUMENT, err, "batch is 0");
    o = asked(1, 3, 1);
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_ARGUMENT, err, "depth is 3");
    o = asked(1, 0, 1);
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_ARGUMENT, err, "depth is 0");
    o = asked(1, 1, 17);
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_ARGUMENT, err, "tiles is 17");
    o = asked(1, 1, 0);
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_ARGUMENT, err, "tiles is 0");
    o = asked(1, 1, 1);
    o.bands = 81;
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_ARGUMENT, err, "bands is 81");
    o = asked(1, 1, 1);
    o.out = (sib_tile_out)7;
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_ARGUMENT, err, "out is 7");
    o = asked(1, 1, 1);
    o.memory = tile_facts_of(80, SIB_TILE_INT8)->stack - 1;
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_SIZE, err, "less than the kernel's stack");
    o.memory = kernel_bytes(80, SIB_TILE_INT8) - 1;
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_SIZE, err, "constants");
    o.memory = kernel_bytes(80, SIB_TILE_INT8) + 879;
    CHECK_FAILS(sib_tile_plan_best(&o, 1, &p, &err), SIB_ERR_SIZE, err, "too little for one frame");
    o.memory = UINT64_MAX;
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_ARGUMENT, err, "at most");
    o = asked(1, 1, 1);
    o.cost.byte = NAN;
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_ARGUMENT, err, "cost");
    o.cost.byte = -1;
    CHECK_FAILS(sib_tile_plan_make(&o, 1, &p, &err), SIB_ERR_ARGUMENT, err, "cost");
    o = asked(1, 1, 1);
    CHECK_FAILS(sib_tile_plan_make(&o, UINT64_MAX, &p, &err), SIB_ERR_SIZE, err, "overflow");
    CHECK_FAILS(sib_tile_plan_best(&o, 0, &p, &err), SIB_ERR_ARGUMENT, err, "number of frames");
    o = asked(UINT32_MAX, 2, 1); /* large, but no overflow */
    assert_false(planned(&o, 1).fits);
}

TEST(frames)
{
    sib_error err = SIB_ERROR_INIT;
    uint64_t n;
    CHECK_OK(sib_tile_frames(201, &n, &err), err);
    assert_int_equal(n, 1);
    CHECK_OK(sib_tile_frames(16000, &n, &err), err);
    assert_int_equal(n, 100);
    CHECK_FAILS(sib_tile_frames(200, &n, &err), SIB_ERR_VALUE, err, "200 samples");
}
