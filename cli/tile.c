/* sibyl tile plan|simulate|emit: options, and which of them a verb takes. */
#include "tile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIELD(name) .field = offsetof(tile_settings, name)

static const char *const outs[] = {"int8", "int16", NULL};

/* Numbers that no plan has, as batch 0, are bad requests, not misspelt ones: the library refuses them. */
#define MOST 4294967295.0

static const cli_option options[] = {
    {"batch", 0, CLI_WHOLE, FIELD(batch), "B", "frames a call, over all tiles (default 10)", 0, MOST, NULL},
    {"depth", 0, CLI_WHOLE, FIELD(depth), "1|2", "elements of each FIFO: 2 is double buffering (default 2)",
     0, MOST, NULL},
    {"tiles", 0, CLI_WHOLE, FIELD(tiles), "T", "compute tiles, 1 to 16 (default 1; --best: at most T, 16)", 0,
     MOST, NULL},
    {"memory", 0, CLI_TEXT, FIELD(memory), "64K",
     "bytes of a compute tile's memory, K for 1,024 (default 64K)", 0, 0, NULL},
    {"bands", 0, CLI_WHOLE, FIELD(bands), "80|128", "mel bands (default 80)", 0, MOST, NULL},
    {"out", 0, CLI_CHOICE, FIELD(out), "int8|int16", "type of the outputs (default int8)", 0, 0, outs},
    {"call-cost", 0, CLI_NUMBER, FIELD(call_cost), "US", "microseconds a call (default 213)", -1, 1e12, NULL},
    {"byte-cost", 0, CLI_NUMBER, FIELD(byte_cost), "NS",
     "nanoseconds a byte that a channel moves (default 0)", -1, 1e12, NULL},
    {"frame-cost", 0, CLI_NUMBER, FIELD(frame_cost), "US",
     "microseconds a frame that a tile computes (default 0)", -1, 1e12, NULL},
    {"frames", 0, CLI_WHOLE, FIELD(frames), "N", "plan: frames of the recording (default 628163)", 0, 9e15,
     NULL},
    {"audio", 0, CLI_TEXT, FIELD(audio), "FILE", "plan: the recording", 0, 0, NULL},
    {"best", 0, CLI_FLAG, FIELD(best), NULL, "the fastest plan that fits, whatever batch and depth", 0, 0,
     NULL},
    {"table", 0, CLI_FLAG, FIELD(table), NULL, "plan: the published table, and the true totals beside it", 0,
     0, NULL},
    {"output", 'o', CLI_TEXT, FIELD(output), "OUT", "simulate: the array, a .npy file; emit: a folder", 0, 0,
     NULL},
    {"fault", 0, CLI_TEXT, FIELD(fault), "KIND",
     "simulate: break the machine, to see it told: lost-lock,\nlate-dma, batch or overrun", 0, 0, NULL},
    {"json", 0, CLI_FLAG, FIELD(json), NULL, "print one JSON document", 0, 0, NULL},
    {.name = NULL}};

static const char more[] =
    "plan      memory of a compute tile, whether it fits and what would make it fit, calls,\n"
    "          transfers, and the time by a cost model: a call, a byte, a frame\n"
    "simulate  IN -o OUT.npy: the kernel's features of a recording, int8 or int16 of shape\n"
    "          (bands, frames), through a model of the machine: DMA, FIFOs with locks, tiles\n"
    "emit      -o DIR: an MLIR-AIE design for the device npu1, the kernel, a build script\n"
    "\n"
    "With depth 1 a call's steps (in, compute, out) follow one another, with depth 2 those of\n"
    "neighbouring calls overlap. IN is mono at 16 kHz in 16 bits, '-' the same raw.\n";

bool tile_options_of(const tile_settings *s, sib_tile_options *out)
{
    sib_tile_defaults(out);
    out->batch = (uint32_t)s->batch;
    out->depth = (uint32_t)s->depth;
    out->tiles = s->tiles >= 0 ? (uint32_t)s->tiles : s->best ? SIB_TILE_MAX : 1;
    out->bands = (uint32_t)s->bands;
    out->out = (sib_tile_out)s->out;
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

static const struct {
    const char *name;
    int (*run)(const cli_command *self, const tile_settings *s, int n, char **argv);
} verbs[] = {{"plan", tile_plan}, {"simulate", tile_simulate}, {"emit", tile_emit}};

/* Options that the verb leaves unread would be silently ignored: the first of them, or NULL. */
static const char *stray_option(const char *verb, const tile_settings *s)
{
    const bool plans = strcmp(verb, "plan") == 0, simulates = strcmp(verb, "simulate") == 0;
    if (!plans && (s->audio || s->frames >= 0 || s->table))
        return s->audio ? "audio" : s->table ? "table" : "frames";
    if (!simulates && s->fault)
        return "fault";
    if (plans && s->output)
        return "output";
    return NULL;
}

static int tile(const cli_command *self, int argc, char **argv)
{
    tile_settings s = {.batch = 10, .depth = 2, .tiles = -1, .bands = 80, .frames = -1, .call_cost = 213};
    int n, code;
    if (!cli_begin(self, argc, argv, &s, &n, &code))
        return code;
    if (n < 1)
        return cli_usage(self, "tile takes one of plan, simulate and emit");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(argv[0], verbs[i].name) != 0)
            continue;
        const char *stray = stray_option(verbs[i].name, &s);
        if (stray)
            return cli_usage(self, "tile %s takes no --%s", verbs[i].name, stray);
        return verbs[i].run(self, &s, n - 1, argv + 1);
    }
    return cli_usage(self, "unknown verb '%s'", argv[0]);
}

const cli_command command_tile = {.name = "tile",
                                  .summary = "features in fixed point on small chips: plan, simulate, emit",
                                  .operands = "plan|simulate|emit [IN] [options]",
                                  .options = options,
                                  .more = more,
                                  .run = tile};
