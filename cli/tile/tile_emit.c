/* sibyl tile emit -o DIR */
#include "tile/tile.h"

int tile_emit(const void *settings)
{
    const tile_settings *s = settings;
    sib_error err = SIB_ERROR_INIT;
    sib_tile_plan p;
    char number[32];
    if (!s->output || !s->output[0])
        return cli_usage(s->self, "give the folder for the code with -o");
    if (!tile_plan_of(s, SIB_TILE_PUBLISHED_FRAMES, &p))
        return CLI_FAILED;
    if (!p.fits)
        return tile_fails_to_fit(&p);
    if (sib_tile_emit(&p, s->output, &err) != SIB_OK)
        return cli_fail("%s", err.message);
    if (s->json) {
        cli_json_print(
            json_pack("{s:o, s:o}", "output", cli_json_text(s->output), "plan", tile_plan_json(&p)));
        return CLI_DONE;
    }
    printf("%s: aie.mlir, aie_generic.mlir, sibyl_tile.c, sibyl_tile.h, host.cpp, build.sh\n", s->output);
    printf("  %u tile%s of %u frames, depth %u: %s B each, %u transfers per call; read back and equal to the "
           "plan\n",
           (unsigned)p.tiles_used, p.tiles_used == 1 ? "" : "s", (unsigned)p.rows, (unsigned)p.options.depth,
           tile_grouped(p.total, number), (unsigned)(2 * p.channels));
    return CLI_DONE;
}
