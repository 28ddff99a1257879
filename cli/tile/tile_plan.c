/* sibyl tile plan: the memory map, what would make it fit, the recording, the time; the published table. */
#include "tile/tile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_A_SECOND 100.0

/* Seconds per frame at the public measurement's slowest: 2.37 ms for calls of ten. */
#define SLOWEST_FRAME 237e-6

static const char *const changes[SIB_TILE_CHANGES] = {"depth 1", "smaller batch", "more tiles",
                                                      "more tiles, evenly", "more tiles, depth 1"};

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

const char *tile_grouped(uint64_t n, char buffer[32])
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    char *to = buffer;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return buffer;
}

static const char *out_name(const sib_tile_plan *p)
{
    return p->options.out == SIB_TILE_INT8 ? "int8" : "int16";
}

/* ---- JSON ---- */

static json_int_t integer(uint64_t n)
{
    return (json_int_t)n;
}

json_t *tile_plan_json(const sib_tile_plan *p)
{
    const sib_tile_options *o = &p->options;
    json_t *j =
        json_pack("{s:I, s:I, s:I, s:I, s:s, s:I, s:I, s:I, s:I, s:b}", "batch", integer(o->batch), "depth",
                  integer(o->depth), "tiles", integer(o->tiles), "bands", integer(o->bands), "out",
                  out_name(p), "rows", integer(p->rows), "tiles_used", integer(p->tiles_used), "channels",
                  integer(p->channels), "linked_columns", integer(p->linked), "fits", p->fits);
    json_object_set_new(j, "memory",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I}",
                                  "bytes", integer(o->memory), "element_in", integer(p->element_in),
                                  "element_out", integer(p->element_out), "fifo_in", integer(p->fifo_in),
                                  "fifo_out", integer(p->fifo_out), "stack", integer(p->stack), "constants",
                                  integer(p->constants), "state", integer(p->state), "total",
                                  integer(p->total), "percent", 100.0 * (double)p->total / (double)o->memory,
                                  "memory_tile", integer(p->memory_tile), "program", integer(p->program),
                                  "program_bytes", integer(SIB_TILE_PROGRAM)));
    json_object_set_new(j, "recording",
                        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "frames", integer(p->frames), "calls",
                                  integer(p->calls), "transfers", integer(p->transfers), "bytes_in",
                                  integer(p->bytes_in), "bytes_out", integer(p->bytes_out), "bytes_host",
                                  integer(p->bytes_host)));
    json_object_set_new(j, "time",
                        json_pack("{s:f, s:f, s:f, s:f, s:f, s:f, s:f}", "seconds", p->seconds, "call_cost",
                                  o->cost.call, "byte_cost", o->cost.byte, "frame_cost", o->cost.frame,
                                  "in_seconds_a_call", p->seconds_in, "compute_seconds_a_call",
                                  p->seconds_compute, "out_seconds_a_call", p->seconds_out));
    return j;
}

static json_t *advice_json(const sib_tile_plan *p)
{
    sib_tile_advice advice[SIB_TILE_CHANGES];
    size_t n;
    json_t *list = json_array();
    sib_tile_advise(p, advice, &n);
    for (size_t i = 0; i < n; i++) {
        const sib_tile_plan *a = &advice[i].plan;
        json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:I, s:I}", "change",
                                              changes[advice[i].change], "batch", integer(a->options.batch),
                                              "depth", integer(a->options.depth), "tiles",
                                              integer(a->options.tiles), "total", integer(a->total)));
    }
    return list;
}

/* ---- Words ---- */

int tile_fails_to_fit(const sib_tile_plan *p)
{
    const sib_tile_options *o = &p->options;
    char total[32], memory[32];
    if (p->total <= o->memory)
        return cli_fail("links take %s B of a memory tile, which has 524,288",
                        tile_grouped(p->memory_tile, total));
    return cli_fail("batch %u over %u tile%s does not fit: %u x %u x (%u + %u) + stack %u + constants %u + "
                    "state %u = %s B "
                    "of %s",
                    (unsigned)o->batch, (unsigned)o->tiles, plural(o->tiles), (unsigned)o->depth,
                    (unsigned)p->rows, (unsigned)(p->element_in / p->rows),
                    (unsigned)(p->element_out / p->rows), (unsigned)p->stack, (unsigned)p->constants,
                    (unsigned)p->state, tile_grouped(p->total, total), tile_grouped(o->memory, memory));
}

static void print_memory(const sib_tile_plan *p)
{
    const sib_tile_options *o = &p->options;
    char number[32];
    const struct {
        const char *name;
        uint64_t bytes;
        uint64_t row; /* bytes of a frame, or 0 */
    } rows[] = {{"fifo in", p->fifo_in, p->element_in / p->rows},
                {"fifo out", p->fifo_out, p->element_out / p->rows},
                {"stack", p->stack, 0},
                {"constants", p->constants, 0},
                {"state", p->state, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        printf("  %-10s %12s B", rows[i].name, tile_grouped(rows[i].bytes, number));
        if (rows[i].row)
            printf("   %u x %u x %llu", (unsigned)o->depth, (unsigned)p->rows,
                   (unsigned long long)rows[i].row);
        else
            printf("   measured of the kernel's object%s",
                   rows[i].bytes == p->stack ? ", and room for the core's loop" : "");
        putchar('\n');
    }
    printf("  %-10s %12s B   %.1f %% of", "total", tile_grouped(p->total, number),
           100.0 * (double)p->total / (double)o->memory);
    printf(" %s\n", tile_grouped(o->memory, number));
    printf("  %-10s %12s B   of 16,384 of program memory, measured at -O2 for other processors\n", "code",
           tile_grouped(p->program, number));
    if (p->linked)
        printf("  %-10s %12s B   in the fullest of %u, which link the tiles of their columns\n", "mem tile",
               tile_grouped(p->memory_tile, number), (unsigned)p->linked);
}

static void print_fit(const sib_tile_plan *p)
{
    sib_tile_advice advice[SIB_TILE_CHANGES];
    char number[32];
    size_t n;
    if (p->fits) {
        printf("fits         yes, %s B are left\n", tile_grouped(p->options.memory - p->total, number));
        return;
    }
    if (p->total > p->options.memory)
        printf("fits         no, %s B are missing\n", tile_grouped(p->total - p->options.memory, number));
    else
        printf("fits         no, the links of a column need more than a memory tile's 524,288 B\n");
    sib_tile_advise(p, advice, &n);
    for (size_t i = 0; i < n; i++) {
        const sib_tile_plan *a = &advice[i].plan;
        printf("%-12s batch %u, depth %u, %u tile%s of %u frames: %s B\n", i ? "" : "would fit",
               (unsigned)a->options.batch, (unsigned)a->options.depth, (unsigned)a->options.tiles,
               plural(a->options.tiles), (unsigned)a->rows, tile_grouped(a->total, number));
    }
    if (!n)
        puts("would fit    nothing: not one frame has room");
}

/* Where the cost is the default, which is the public measurement at its best: the time at its slowest. */
static void print_slowest(const sib_tile_plan *p)
{
    sib_tile_options o, usual;
    sib_tile_plan slow;
    sib_tile_defaults(&usual);
    o = p->options;
    if (fabs(o.cost.frame - usual.cost.frame) + fabs(o.cost.call - usual.cost.call) > 1e-12 || !p->frames)
        return;
    o.cost.frame = SLOWEST_FRAME;
    if (sib_tile_plan_make(&o, p->frames, &slow, NULL) == SIB_OK)
        printf("             %.4g s where a frame takes 237 us, the slowest of the public measurement\n",
               slow.seconds);
}

static void print_recording(const sib_tile_plan *p)
{
    char number[32], host[32];
    const double seconds = (double)p->frames / FRAMES_A_SECOND;
    const sib_tile_cost *cost = &p->options.cost;
    printf("recording    %s frames, %.2f s\n", tile_grouped(p->frames, number), seconds);
    printf("  calls      %12s\n", tile_grouped(p->calls, number));
    printf("  transfers  %12s     %u channel%s each way\n", tile_grouped(p->transfers, number),
           (unsigned)p->channels, plural(p->channels));
    printf("  bytes in   %12s B   by a stride of %d B over %s B of samples\n",
           tile_grouped(p->bytes_in, number), (int)(SIB_TILE_HOP * sizeof(int16_t)),
           tile_grouped(p->bytes_host, host));
    printf("  bytes out  %12s B\n", tile_grouped(p->bytes_out, number));
    printf("time         %.4g s predicted", p->seconds);
    if (p->seconds > 0)
        printf(", %.4g x real time", seconds / p->seconds);
    printf(": %.4g us per call, %.4g ns per byte, %.4g us per frame\n", 1e6 * cost->call, 1e9 * cost->byte,
           1e6 * cost->frame);
    print_slowest(p);
}

static void print_plan(const sib_tile_plan *p)
{
    const sib_tile_options *o = &p->options;
    printf("plan         batch %u over %u tile%s, depth %u, %u bands, %s\n", (unsigned)o->batch,
           (unsigned)o->tiles, plural(o->tiles), (unsigned)o->depth, (unsigned)o->bands, out_name(p));
    if (p->tiles_used < o->tiles)
        printf("             %u of %u tiles have frames to compute\n", (unsigned)p->tiles_used,
               (unsigned)o->tiles);
    if ((uint64_t)p->rows * p->tiles_used > o->batch)
        printf("             %u frames per call are padding: a batch of %u would use them\n",
               (unsigned)(p->rows * p->tiles_used - o->batch), (unsigned)(p->rows * p->tiles_used));
    puts("memory       of a compute tile");
    print_memory(p);
    print_fit(p);
    print_recording(p);
}

/* ---- The table ---- */

static int print_table(const tile_settings *s, uint64_t frames)
{
    sib_tile_options o;
    sib_tile_published row;
    sib_tile_plan p;
    sib_error err = SIB_ERROR_INIT;
    char calls[32], total[32];
    json_t *list = s->json ? json_array() : NULL;
    if (!tile_options_of(s, &o))
        return CLI_FAILED;
    if (!list)
        printf("%-31s | %s\n%5s %7s %7s %7s %8s | %9s %7s %5s %9s %9s\n", "published, constants left out",
               "with the kernel's own stack, constants and state", "batch", "in KB", "out KB", "stack",
               "total KB", "total B", "", "fits", "calls", "seconds");
    for (size_t i = 0; sib_tile_published_row(i, &row); i++) {
        o.batch = row.batch;
        if (sib_tile_plan_make(&o, frames, &p, &err) != SIB_OK) {
            json_decref(list);
            return cli_fail("%s", err.message);
        }
        if (list)
            json_array_append_new(list, json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:o}", "published",
                                                  "batch", integer(row.batch), "fifo_in",
                                                  integer(row.fifo_in), "fifo_out", integer(row.fifo_out),
                                                  "stack", integer(row.stack), "total", integer(row.total),
                                                  "calls", integer(row.calls), "plan", tile_plan_json(&p)));
        else
            printf("%5u %7.4g %7.4g %7.4g %8.4g | %9s %5.1f %% %5s %9s %9.4g\n", (unsigned)row.batch,
                   (double)row.fifo_in / 1000, (double)row.fifo_out / 1000, (double)row.stack / 1000,
                   (double)row.total / 1000, tile_grouped(p.total, total),
                   100.0 * (double)p.total / (double)o.memory, p.fits ? "yes" : "no",
                   tile_grouped(p.calls, calls), p.seconds);
    }
    if (list)
        cli_json_print(list);
    return CLI_DONE;
}

/* ---- The verb ---- */

static bool frames_of(const tile_settings *s, uint64_t *frames)
{
    tile_recording r;
    sib_error err = SIB_ERROR_INIT;
    *frames = s->frames >= 0 ? (uint64_t)s->frames : SIB_TILE_PUBLISHED_FRAMES;
    if (!s->audio)
        return true;
    if (!tile_recording_read(s->audio, &r))
        return false;
    free(r.samples);
    if (sib_tile_frames(r.n, frames, &err) == SIB_OK)
        return true;
    cli_fail("%s: %s", s->audio, err.message);
    return false;
}

int tile_plan(const void *settings)
{
    const tile_settings *s = settings;
    uint64_t frames;
    sib_tile_plan p;
    if (s->audio && s->frames >= 0)
        return cli_usage(s->self, "--audio and --frames both give the recording's length");
    if (!frames_of(s, &frames))
        return CLI_FAILED;
    if (s->table)
        return print_table(s, frames);
    if (!tile_plan_of(s, frames, &p))
        return CLI_FAILED;
    if (s->json) {
        json_t *j = tile_plan_json(&p);
        json_object_set_new(j, "would_fit", advice_json(&p));
        cli_json_print(j);
    } else
        print_plan(&p);
    return p.fits ? CLI_DONE : tile_fails_to_fit(&p);
}
