/* sibyl tile simulate IN -o OUT.npy */
#include "files.h"
#include "tile/tile.h"

#include <stdlib.h>
#include <string.h>

/* "lost-lock", or "lost-lock@CALL:TILE", both counted from 0. */
static bool read_fault(const char *text, sib_tile_simulation *out)
{
    static const char *const kinds[] = {"lost-lock", "late-dma", "batch", "overrun"};
    const size_t length = strcspn(text, "@");
    for (int i = 0; i < 4; i++) {
        unsigned long long call;
        unsigned tile;
        int end = 0;
        if (strlen(kinds[i]) != length || strncmp(text, kinds[i], length) != 0)
            continue;
        out->fault = (sib_tile_fault)(i + 1);
        if (!text[length])
            return true;
        if (sscanf(text + length, "@%20llu:%4u%n", &call, &tile, &end) == 2 && !text[length + (size_t)end]) {
            out->fault_call = call;
            out->fault_tile = tile;
            return true;
        }
    }
    return false;
}

static bool save(const char *path, const sib_tile_plan *p, void *features)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    const int64_t dims[2] = {p->options.bands, (int64_t)p->frames}, strides[2] = {1, p->options.bands};
    const sib_dtype dtype = p->options.out == SIB_TILE_INT8 ? SIB_I8 : SIB_I16;
    sib_code code = sib_tensor_wrap(dtype, 2, dims, strides, features, NULL, NULL, &t, &err);
    if (code == SIB_OK)
        code = sib_npy_save(path, t, &err);
    sib_tensor_free(&t);
    if (code != SIB_OK)
        cli_fail("%s", err.message);
    return code == SIB_OK;
}

static void print_report(const tile_settings *s, const char *in, const sib_tile_plan *p,
                         const sib_tile_report *r)
{
    char number[32], out[32];
    const double frames = (double)p->frames;
    printf("%s\n", in);
    printf("  features   %u bands x %s frames, %s: features x %d\n", (unsigned)p->options.bands,
           tile_grouped(p->frames, number), p->options.out == SIB_TILE_INT8 ? "int8" : "int16",
           p->options.out == SIB_TILE_INT8 ? 64 : 16384);
    printf("  machine    %u tile%s of %u frames, depth %u: %s of", (unsigned)p->tiles_used,
           p->tiles_used == 1 ? "" : "s", (unsigned)p->rows, (unsigned)p->options.depth,
           tile_grouped(p->total, number));
    printf(" %s B each\n", tile_grouped(p->options.memory, number));
    printf("  calls      %s, %llu transfers\n", tile_grouped(r->calls, number),
           (unsigned long long)r->transfers);
    printf("  bytes      %s in, %s out\n", tile_grouped(r->bytes_in, number),
           tile_grouped(r->bytes_out, out));
    printf("  stalls     %llu for samples, %llu for room, %llu of DMA engines; cores waited %.3f s\n",
           (unsigned long long)r->stalls_input, (unsigned long long)r->stalls_output,
           (unsigned long long)r->stalls_dma, r->stall_seconds);
    printf("  predicted  %.4g s on the chip, %.4g x real time\n", r->predicted_seconds,
           frames / 100 / r->predicted_seconds);
    printf("  measured   %.4g s here, the kernel %.4g s of them: %.3f us per frame\n", r->measured_seconds,
           r->kernel_seconds, 1e6 * r->kernel_seconds / frames);
    printf("  written    %s\n", s->output);
}

static void print_json(const tile_settings *s, const char *in, const sib_tile_plan *p,
                       const sib_tile_report *r)
{
    json_t *j =
        json_pack("{s:o, s:o, s:[I, I], s:i, s:o}", "input", cli_json_text(in), "output",
                  cli_json_text(s->output), "shape", (json_int_t)p->options.bands, (json_int_t)p->frames,
                  "scale", p->options.out == SIB_TILE_INT8 ? 64 : 16384, "plan", tile_plan_json(p));
    json_object_set_new(
        j, "run",
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f}", "calls", (json_int_t)r->calls,
                  "transfers", (json_int_t)r->transfers, "bytes_in", (json_int_t)r->bytes_in, "bytes_out",
                  (json_int_t)r->bytes_out, "stalls_input", (json_int_t)r->stalls_input, "stalls_output",
                  (json_int_t)r->stalls_output, "stalls_dma", (json_int_t)r->stalls_dma, "stall_seconds",
                  r->stall_seconds, "predicted_seconds", r->predicted_seconds, "measured_seconds",
                  r->measured_seconds, "kernel_seconds", r->kernel_seconds));
    cli_json_print(j);
}

static int simulate(const tile_settings *s, const sib_tile_simulation *fault, const char *in,
                    const tile_recording *recording)
{
    sib_error err = SIB_ERROR_INIT;
    uint64_t frames;
    sib_tile_plan p;
    sib_tile_report r;
    if (sib_tile_frames(recording->n, &frames, &err) != SIB_OK)
        return cli_fail("%s: %s", in, err.message);
    if (!tile_plan_of(s, frames, &p))
        return CLI_FAILED;
    if (!p.fits)
        return tile_fails_to_fit(&p);
    void *features = cli_alloc((size_t)p.frames * p.options.bands, p.options.out == SIB_TILE_INT8 ? 1 : 2);
    bool done = sib_tile_simulate(&p, recording->samples, recording->n, fault, features, &r, &err) == SIB_OK;
    if (!done)
        cli_fail("%s: %s", in, err.message);
    done = done && save(s->output, &p, features);
    free(features);
    if (done && s->json)
        print_json(s, in, &p, &r);
    else if (done)
        print_report(s, in, &p, &r);
    return done ? CLI_DONE : CLI_FAILED;
}

static bool folder_takes(const char *path)
{
    char *folder = file_folder(path);
    const bool takes = strncmp(path, "/dev/", 5) == 0 || file_folder_takes(folder);
    free(folder);
    return takes;
}

int tile_simulate(const void *settings)
{
    const tile_settings *s = settings;
    const char *in = s->operands[0];
    sib_tile_simulation fault = {0};
    tile_recording recording;
    if (s->n_operands != 1)
        return cli_usage(s->self, "tile simulate takes one recording, got %d", s->n_operands);
    if (!s->output || !s->output[0])
        return cli_usage(s->self, "give the array's file with -o");
    if (s->fault && !read_fault(s->fault, &fault))
        return cli_usage(s->self,
                         "--fault is '%s', expected lost-lock, late-dma, batch or overrun, or KIND@CALL:TILE",
                         s->fault);
    if (strcmp(in, "-") != 0 && file_same(s->output, in))
        return cli_usage(s->self, "output '%s' would replace the input '%s'", s->output, in);
    if (s->json && file_is_stdout(s->output))
        return cli_usage(s->self, "--output %s and --json both write to standard output", s->output);
    if (!folder_takes(s->output) || !tile_recording_read(in, &recording))
        return CLI_FAILED;
    const int code = simulate(s, &fault, strcmp(in, "-") == 0 ? "standard input" : in, &recording);
    free(recording.samples);
    return code;
}
