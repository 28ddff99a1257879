/* Computes what fits in a tile, and what a recording costs. */
#include "base/error.h"
#include "base/size.h"
#include "tile/facts.h"
#include "tile/program.h"
#include "tile/tile_memory.h"

#include <math.h>

#define DEFAULT_MEMORY 65536
#define MAX_MEMORY     (1 << 24) /* far above any real tile's; bounds the search for the best plan */
/* Seconds, from the public measurement: calls of ten frames took 1.10 to 2.37 ms, which is 110 to 237 us a
   frame; one of a single frame took 213 us (134 s for 628,163), so a call itself takes the other 103. */
#define PUBLISHED_FRAME 110e-6
#define PUBLISHED_CALL  103e-6
#define PUBLISHED_BANDS 80
#define PUBLISHED_DEPTH 2

void sib_tile_defaults(sib_tile_options *out)
{
    *out = (sib_tile_options){.batch = 10,
                              .depth = 2,
                              .tiles = 1,
                              .bands = 80,
                              .out = SIB_TILE_INT8,
                              .memory = DEFAULT_MEMORY,
                              .cost = {.call = PUBLISHED_CALL, .frame = PUBLISHED_FRAME}};
}

sib_code sib_tile_frames(uint64_t samples, uint64_t *frames, sib_error *err)
{
    if (samples <= SIB_TILE_WINDOW / 2)
        return err_set(
            err, SIB_ERR_VALUE,
            "the recording has %llu samples, too few to be reflected at its ends: at least %d are needed",
            (unsigned long long)samples, SIB_TILE_WINDOW / 2 + 1);
    *frames = samples / SIB_TILE_HOP;
    return SIB_OK;
}

/* ---- Checks ---- */

static bool is_cost(double seconds)
{
    return isfinite(seconds) && seconds >= 0;
}

static sib_code check_options(const sib_tile_options *o, const tile_facts *facts, sib_error *err)
{
    if (o->out != SIB_TILE_INT8 && o->out != SIB_TILE_INT16)
        return err_set(err, SIB_ERR_ARGUMENT, "out is %d, expected int8 or int16", (int)o->out);
    if (!facts)
        return err_set(err, SIB_ERR_ARGUMENT, "bands is %u, expected 80 or 128", (unsigned)o->bands);
    if (o->batch < 1)
        return err_set(err, SIB_ERR_ARGUMENT, "batch is 0, expected at least one frame per call");
    if (o->depth < 1 || o->depth > 2)
        return err_set(err, SIB_ERR_ARGUMENT, "depth is %u, expected 1 or 2", (unsigned)o->depth);
    if (o->tiles < 1 || o->tiles > SIB_TILE_MAX)
        return err_set(err, SIB_ERR_ARGUMENT, "tiles is %u, expected 1 to %d", (unsigned)o->tiles,
                       SIB_TILE_MAX);
    if (o->dialect != SIB_TILE_DIALECT_2026 && o->dialect != SIB_TILE_DIALECT_2024)
        return err_set(err, SIB_ERR_ARGUMENT, "dialect is %d, expected that of 2026 or of 2024",
                       (int)o->dialect);
    if (!is_cost(o->cost.call) || !is_cost(o->cost.byte) || !is_cost(o->cost.frame))
        return err_set(err, SIB_ERR_ARGUMENT, "a cost is negative or not finite");
    if (o->memory > MAX_MEMORY)
        return err_set(err, SIB_ERR_ARGUMENT, "memory is %llu B, expected at most %d B",
                       (unsigned long long)o->memory, MAX_MEMORY);
    const uint64_t kernel = (uint64_t)facts->stack + facts->constants + facts->state;
    if (o->memory < facts->stack)
        return err_set(err, SIB_ERR_SIZE, "memory is %llu B, less than the kernel's stack of %u B",
                       (unsigned long long)o->memory, (unsigned)facts->stack);
    if (o->memory < kernel)
        return err_set(err, SIB_ERR_SIZE,
                       "memory is %llu B, less than the kernel's %llu B: stack %u, constants %u, state %u",
                       (unsigned long long)o->memory, (unsigned long long)kernel, (unsigned)facts->stack,
                       (unsigned)facts->constants, (unsigned)facts->state);
    return SIB_OK;
}

/* ---- Plans ---- */

static uint32_t out_bytes(const sib_tile_options *o)
{
    return o->bands * (o->out == SIB_TILE_INT8 ? 1u : 2u);
}

static void plan_memory(sib_tile_plan *p, const tile_facts *facts)
{
    const sib_tile_options *o = &p->options;
    p->element_in = (uint64_t)p->rows * SIB_TILE_WINDOW * sizeof(int16_t);
    p->element_out = (uint64_t)p->rows * out_bytes(o);
    p->fifo_in = o->depth * p->element_in;
    p->fifo_out = o->depth * p->element_out;
    p->stack = facts->stack;
    p->constants = facts->constants;
    p->state = facts->state;
    p->program = TILE_PROGRAM_BYTES;
    p->total = p->fifo_in + p->fifo_out + p->stack + p->constants + p->state;
    for (uint32_t c = 0; c < TILE_COLUMNS; c++) {
        const uint32_t height = tile_column_height(p->tiles_used, c);
        if (height <= TILE_SHIM_CHANNELS) {
            p->channels += height;
            continue;
        }
        const uint64_t links = height * (p->fifo_in + p->fifo_out);
        p->linked++;
        p->channels++;
        p->memory_tile = links > p->memory_tile ? links : p->memory_tile;
    }
    p->fits = p->total <= o->memory && p->memory_tile <= TILE_MEMORY_TILE && p->program <= SIB_TILE_PROGRAM;
}

/* The time of one call: that of the busiest channel and the busiest tile. */
static void plan_call_seconds(sib_tile_plan *p)
{
    const sib_tile_cost *cost = &p->options.cost;
    const uint32_t highest = tile_column_height(p->tiles_used, 0);
    const double tiles = highest > TILE_SHIM_CHANNELS ? highest : 1;
    p->seconds_in = tiles * (double)p->element_in * cost->byte;
    p->seconds_out = tiles * (double)p->element_out * cost->byte;
    p->seconds_compute = p->rows * cost->frame;
}

static double total_seconds(const sib_tile_plan *p)
{
    const double calls = (double)p->calls, sum = p->seconds_in + p->seconds_compute + p->seconds_out;
    const double max = fmax(fmax(p->seconds_in, p->seconds_compute), p->seconds_out);
    if (!p->calls)
        return 0;
    return p->options.depth == 1 ? calls * (p->options.cost.call + sum)
                                 : calls * (p->options.cost.call + max) + sum - max;
}

static sib_code plan_recording(sib_tile_plan *p, sib_error *err)
{
    size_t in, out, host;
    p->calls = p->frames / p->options.batch + (p->frames % p->options.batch != 0);
    if (!size_mul((size_t)p->calls, (size_t)(p->tiles_used * p->element_in), &in) ||
        !size_mul((size_t)p->calls, (size_t)(p->tiles_used * p->element_out), &out) ||
        !size_mul((size_t)p->frames, SIB_TILE_HOP * sizeof(int16_t), &host) ||
        !size_add(host, (SIB_TILE_WINDOW - SIB_TILE_HOP) * sizeof(int16_t), &host))
        return err_set(err, SIB_ERR_SIZE, "the bytes of %llu frames overflow", (unsigned long long)p->frames);
    p->transfers = 2 * p->calls * p->channels;
    p->bytes_in = in;
    p->bytes_out = out;
    p->bytes_host = p->frames ? host : 0;
    plan_call_seconds(p);
    p->seconds = total_seconds(p);
    return SIB_OK;
}

sib_code sib_tile_plan_make(const sib_tile_options *options, uint64_t frames, sib_tile_plan *out,
                            sib_error *err)
{
    const tile_facts *facts = tile_facts_of(options->bands, options->out);
    const sib_code code = check_options(options, facts, err);
    if (code != SIB_OK)
        return code;
    sib_tile_plan p = {.options = *options, .frames = frames};
    p.rows = (uint32_t)size_ceil_div(options->batch, options->tiles);
    p.tiles_used = (uint32_t)size_ceil_div(options->batch, p.rows);
    plan_memory(&p, facts);
    *out = p;
    return plan_recording(out, err);
}

/* ---- Advice ---- */

/* Max rows of a tile's element at `depth`. */
static uint64_t max_rows(const sib_tile_options *o, uint32_t depth)
{
    const tile_facts *facts = tile_facts_of(o->bands, o->out);
    const uint64_t kernel = (uint64_t)facts->stack + facts->constants + facts->state;
    const uint64_t row = SIB_TILE_WINDOW * sizeof(int16_t) + out_bytes(o);
    return (o->memory - kernel) / (depth * row);
}

static void add_advice(const sib_tile_plan *plan, const sib_tile_options *o, sib_tile_change change,
                       sib_tile_advice *advice, size_t *n)
{
    sib_tile_plan p;
    if (sib_tile_plan_make(o, plan->frames, &p, NULL) == SIB_OK && p.fits)
        advice[(*n)++] = (sib_tile_advice){change, p};
}

/* The fewest tiles, more than the plan's, with which its batch fits at `depth`, without padding if `evenly`;
   0 where there are none. */
static uint32_t fewest_tiles(const sib_tile_plan *plan, uint32_t depth, bool evenly)
{
    sib_tile_options o = plan->options;
    sib_tile_plan p;
    o.depth = depth;
    for (o.tiles = plan->options.tiles + 1; o.tiles <= SIB_TILE_MAX; o.tiles++)
        if ((!evenly || o.batch % o.tiles == 0) && sib_tile_plan_make(&o, plan->frames, &p, NULL) == SIB_OK &&
            p.fits)
            return o.tiles;
    return 0;
}

void sib_tile_advise(const sib_tile_plan *plan, sib_tile_advice advice[SIB_TILE_CHANGES], size_t *n)
{
    const sib_tile_options *asked = &plan->options;
    *n = 0;
    if (plan->fits)
        return;
    sib_tile_options o = *asked;
    if (o.depth == 2) {
        o.depth = 1;
        add_advice(plan, &o, SIB_TILE_DEPTH_1, advice, n);
    }
    const bool fits_at_1 = *n > 0;
    o = *asked;
    const uint64_t rows = max_rows(asked, asked->depth);
    if (rows > 0 && rows * o.tiles < asked->batch) {
        o.batch = (uint32_t)(rows * o.tiles);
        add_advice(plan, &o, SIB_TILE_SMALLER_BATCH, advice, n);
    }
    o = *asked;
    const uint32_t tiles = fewest_tiles(plan, asked->depth, false),
                   even = fewest_tiles(plan, asked->depth, true);
    const uint32_t tiles_1 = fewest_tiles(plan, 1, false);
    if ((o.tiles = tiles) > 0)
        add_advice(plan, &o, SIB_TILE_MORE_TILES, advice, n);
    if ((o.tiles = even) > tiles)
        add_advice(plan, &o, SIB_TILE_EVEN_TILES, advice, n);
    if (asked->depth == 2 && !fits_at_1 && (o.tiles = tiles_1) > 0 && (tiles == 0 || tiles_1 < tiles)) {
        o.depth = 1;
        add_advice(plan, &o, SIB_TILE_MORE_TILES_1, advice, n);
    }
}

/* ---- The fastest plan ---- */

static bool is_better(const sib_tile_plan *a, const sib_tile_plan *b)
{
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds;
    if (a->tiles_used != b->tiles_used)
        return a->tiles_used < b->tiles_used;
    return a->total < b->total;
}

/* More rows than fit all frames in one call gain nothing. */
static uint64_t rows_to_try(const sib_tile_options *o, uint64_t frames)
{
    const uint64_t max = max_rows(o, o->depth), all = frames / o->tiles + 1;
    const uint64_t limit = UINT32_MAX / SIB_TILE_MAX;
    const uint64_t rows = max < all ? max : all;
    return rows < limit ? rows : limit;
}

sib_code sib_tile_plan_best(const sib_tile_options *options, uint64_t frames, sib_tile_plan *out,
                            sib_error *err)
{
    sib_tile_options o = *options;
    sib_tile_plan p;
    bool found = false;
    o.batch = o.depth = 1;
    sib_code code = sib_tile_plan_make(&o, frames, &p, err); /* checks all other options */
    if (code != SIB_OK)
        return code;
    if (!frames)
        return err_set(err, SIB_ERR_ARGUMENT,
                       "the fastest plan depends on the recording: give its number of frames");
    for (uint32_t tiles = 1; tiles <= options->tiles; tiles++)
        for (uint32_t depth = 1; depth <= 2; depth++) {
            o.tiles = tiles;
            o.depth = depth;
            const uint64_t rows = rows_to_try(&o, frames);
            for (uint64_t r = 1; r <= rows; r++) {
                o.batch = (uint32_t)(r * tiles);
                if (sib_tile_plan_make(&o, frames, &p, NULL) != SIB_OK || !p.fits ||
                    (found && !is_better(&p, out)))
                    continue;
                *out = p;
                found = true;
            }
        }
    if (!found)
        return err_set(err, SIB_ERR_SIZE, "memory is %llu B, too little for one frame of %u B at depth 1",
                       (unsigned long long)options->memory,
                       (unsigned)(SIB_TILE_WINDOW * sizeof(int16_t) + out_bytes(options)));
    return SIB_OK;
}

/* ---- Published figures ---- */

bool sib_tile_published_row(size_t i, sib_tile_published *out)
{
    static const struct {
        uint32_t batch, stack;
    } rows[] = {{1, 3600}, {10, 4100}, {20, 4000}, {50, 4000}, {100, 1000}};
    if (i >= sizeof rows / sizeof *rows)
        return false;
    sib_tile_published p = {.batch = rows[i].batch, .stack = rows[i].stack};
    p.fifo_in = (uint64_t)PUBLISHED_DEPTH * p.batch * SIB_TILE_WINDOW * sizeof(int16_t);
    p.fifo_out = (uint64_t)PUBLISHED_DEPTH * p.batch * PUBLISHED_BANDS;
    p.total = p.fifo_in + p.fifo_out + p.stack;
    p.calls = size_ceil_div(SIB_TILE_PUBLISHED_FRAMES, p.batch);
    *out = p;
    return true;
}
