/* sibyl tile plan|simulate|emit: options, and those of each verb. */
#include "tile/tile.h"

#include "shared_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef tile_settings settings;

static const char *const outs[] = {"int8", "int16", NULL};
static const char *const dialects[] = {"2026", "2024", NULL};

/* Numbers that no plan has, such as batch 0, are bad input, not misuse: the library refuses them. */
#define MAX_COUNT 4294967295.0

static const cli_option options[] = {
    OPT_INTEGER("batch", batch, "B", 0, MAX_COUNT, "frames per call, over all tiles (default: 10)",
                .more = "Each tile takes B / T of them, rounded up."),
    OPT_INTEGER("depth", depth, "1|2", 0, MAX_COUNT,
                "elements of each FIFO: 2 is double buffering (default: 2)", .offer = "1 2"),
    OPT_INTEGER("tiles", tiles, "T", 0, MAX_COUNT,
                "compute tiles, 1 to 16 (default: 1; with --best at most T, 16)",
                .more = "More than two in a column are fed through its memory tile."),
    OPT_TEXT("memory", memory, "BYTES", "bytes of a compute tile's memory, K for 1,024 (default: 64K)",
             .offer = "64K"),
    OPT_INTEGER("bands", bands, "80|128", 0, MAX_COUNT, "mel bands (default: 80)", .offer = "80 128"),
    OPT_CHOICE("out", out, outs, "type of the outputs (default: int8)",
               .more = "Features times 64 as int8, times 16,384 as int16."),
    OPT_NUMBER(
        "call-cost", call_cost, "US", 0, 1e12, "microseconds per call (default: 103)",
        .more =
            "With the default of a frame this is the 213 that a call of one frame took in public. The cost "
            "model is calls * (call + in + "
            "compute + out) with depth 1 and calls * (call + max(in, compute, out)) with depth 2, and once "
            "what is not overlapped."),
    OPT_NUMBER("byte-cost", byte_cost, "NS", 0, 1e12,
               "nanoseconds per byte that a shim channel moves (default: 0)",
               .more = "Channels work side by side."),
    OPT_NUMBER("frame-cost", frame_cost, "US", 0, 1e12,
               "microseconds per frame that a tile computes (default: 110)",
               .more = "Tiles work side by side. Calls of ten frames took 110 to 237 a frame in public."),
    OPT_CHOICE("dialect", dialect, dialects, "emit: the form of MLIR-AIE (default: 2026)",
               .more = "2024: aiex.runtime_sequence, objects linked by cores, elements through subviews."),
    OPT_INTEGER("frames", frames, "N", 0, 9e15, "plan: frames of the recording (default: 628163)",
                .more = "The default is the published recording of 1 h 44 min."),
    OPT_FILE("audio", audio, "FILE", "plan: the recording"),
    OPT_FLAG("best", best, "choose the fastest plan that fits, of any batch and depth",
             .more = "Among equals the fewest tiles, then the least memory."),
    OPT_FLAG("table", table, "plan: the published table, and the true totals next to it",
             .more = "The published table leaves the kernel's constants out; the true total counts the "
                     "measured stack, "
                     "constants and state."),
    OPT_FILE("output", output, "OUT", "simulate: the array, a .npy file; emit: a folder", .letter = 'o'),
    OPT_TEXT("fault", fault, "KIND",
             "simulate: break the machine, to see it detected: lost-lock, late-dma, batch or "
             "overrun",
             .offer = "lost-lock late-dma batch overrun",
             .more = "batch: the host sends another number of frames than the program takes. overrun: a core "
                     "writes past the end of its output. KIND@CALL:TILE selects when and where."),
    OPT_JSON,
    OPT_END};

static const char more[] =
    "Whisper's front end in fixed point on chips whose compute tiles have little memory, above all those "
    "of AMD's XDNA1 NPU (the device npu1 of MLIR-AIE). With depth 1 a call's steps (in, compute, out) "
    "follow one another, with depth 2 those of neighbouring calls overlap. A plan that does not fit "
    "exits with 1. What simulate writes is the same, bit for bit, for every batch, depth and number of "
    "tiles. IN is any recording, mixed, resampled and rounded to mono at 16 kHz in 16 bits as for "
    "'sibyl features --fixed', which gives the same bits; - is such samples raw.";

static const cli_verb verbs[] = {
    {"plan",
     "memory of a compute tile, whether it fits and what would make it fit, calls, transfers, and the time "
     "by "
     "a cost model of calls, bytes and frames",
     tile_plan, false},
    {"simulate",
     "IN -o OUT.npy: the kernel's features of a recording, int8 or int16 of shape (bands, frames), through "
     "a model of the machine: DMA, FIFOs with locks, tiles",
     tile_simulate, true},
    {"emit",
     "-o DIR: an MLIR-AIE design for the device npu1, the kernel, a host program for XRT, a build script",
     tile_emit, false},
    {0}};

bool tile_options_of(const tile_settings *s, sib_tile_options *out)
{
    sib_tile_defaults(out);
    out->batch = (uint32_t)s->batch;
    out->depth = (uint32_t)s->depth;
    out->tiles = s->tiles >= 0 ? (uint32_t)s->tiles : s->best ? SIB_TILE_MAX : 1;
    out->bands = (uint32_t)s->bands;
    out->out = (sib_tile_out)s->out;
    out->dialect = (sib_tile_dialect)s->dialect;
    out->cost = (sib_tile_cost){1e-6 * s->call_cost, 1e-9 * s->byte_cost, 1e-6 * s->frame_cost};
    if (!s->memory)
        return true;
    char *end;
    errno = 0;
    const unsigned long long bytes = strtoull(s->memory, &end, 10);
    const bool kilo = *end == 'K' || *end == 'k';
    if (errno || end == s->memory || end[kilo] != '\0' || s->memory[0] == '-' || bytes > UINT32_MAX) {
        cli_fail("--memory is '%s', expected bytes, as 65536 or 64K", s->memory);
        return false;
    }
    out->memory = kilo ? bytes * 1024 : bytes;
    return true;
}

bool tile_plan_of(const tile_settings *s, uint64_t frames, sib_tile_plan *out)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tile_options o;
    if (!tile_options_of(s, &o))
        return false;
    const sib_code code =
        s->best ? sib_tile_plan_best(&o, frames, out, &err) : sib_tile_plan_make(&o, frames, out, &err);
    if (code != SIB_OK)
        cli_fail("%s", err.message);
    return code == SIB_OK;
}

/* ---- The verbs ---- */

/* Returns the first option that the verb does not use, which would be silently ignored, or NULL. */
static const char *stray_option(const char *verb, const tile_settings *s)
{
    const bool plans = strcmp(verb, "plan") == 0, simulates = strcmp(verb, "simulate") == 0;
    if (!plans && (s->audio || s->frames >= 0 || s->table))
        return s->audio ? "audio" : s->table ? "table" : "frames";
    if (!simulates && s->fault)
        return "fault";
    if ((plans || simulates) && s->dialect)
        return "dialect";
    if (plans && s->output)
        return "output";
    return NULL;
}

static int tile(const cli_command *self, int argc, char **argv)
{
    tile_settings s = {.self = self,
                       .batch = 10,
                       .depth = 2,
                       .tiles = -1,
                       .bands = 80,
                       .frames = -1,
                       .call_cost = 103,
                       .frame_cost = 110};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    const cli_verb *verb = cli_verb_of(self, n, argv);
    const char *stray = verb ? stray_option(verb->name, &s) : NULL;
    if (stray)
        cli_usage(self, "tile %s does not take --%s", verb->name, stray);
    if (!verb || stray)
        return CLI_USAGE;
    s.operands = argv + 1;
    s.n_operands = n - 1;
    return verb->run(&s);
}

const cli_command command_tile = {.name = "tile",
                                  .summary = "plan, simulate and emit fixed-point features for small chips",
                                  .operands = "plan|simulate|emit [IN] [options]",
                                  .options = options,
                                  .verbs = verbs,
                                  .more = more,
                                  .run = tile};
