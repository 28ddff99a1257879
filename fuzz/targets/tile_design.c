/* A design as MLIR-AIE has it: read, and held against two plans. */
#include "fuzz.h"

#include <sibyl/tile.h>
#include <stdlib.h>
#include <string.h>

void fuzz_tile_design(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tile_options options;
    sib_tile_plan plan;
    char *text = malloc(n + 1);
    if (!text)
        fuzz_fail("no memory for the text");
    memcpy(text, data, n);
    text[n] = '\0';
    sib_tile_defaults(&options);
    for (uint32_t tiles = 1; tiles <= 2; tiles++) {
        options.tiles = tiles;
        err = (sib_error)SIB_ERROR_INIT;
        if (sib_tile_plan_make(&options, 3000, &plan, &err) != SIB_OK)
            fuzz_fail("no plan: %s", err.message);
        fuzz_code(sib_tile_check(text, &plan, &err), &err);
    }
    free(text);
}
