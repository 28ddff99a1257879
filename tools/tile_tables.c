/* Writes the constants of the fixed-point kernel, computed in double by what makes the tables of the float
   path:
       tile_tables numbers   src/tile/tile_tables.c
       tile_tables BANDS     src/tile/tile_bank_BANDS.c
   to standard output. tests/tile compares the sources with it. */
#include "tile/tile_tables.h"
#include "features/mel_internal.h"
#include "tile/tile_kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

/* Limit of the sum of a band's integer weights, and the target before rounding. */
#define WEIGHT_LIMIT 3898
#define WEIGHT_SUM   3890

static void write_numbers(const char *declaration, const long *numbers, int n)
{
    printf("%s = {", declaration);
    for (int i = 0; i < n; i++)
        printf("%s%ld,", i % 10 ? " " : "\n    ", numbers[i]);
    printf("\n};\n");
}

static void write_waves(void)
{
    long window[201], cosines[25], sines[25], roots[3];
    for (int n = 0; n <= 200; n++) {
        window[n] = lround((0.5 - 0.5 * cos(2 * pi * n / 400)) * 65536);
        window[n] = window[n] > 65535 ? 65535 : window[n];
    }
    for (int j = 0; j < 25; j++) {
        cosines[j] = lround(cos(2 * pi * j / 25) * TILE_COS25_ONE);
        sines[j] = lround(sin(2 * pi * j / 25) * TILE_COS25_ONE);
    }
    for (int j = 0; j < 3; j++)
        roots[j] = lround(cos(pi * (j + 1) / 8) * 2147483648.0);
    write_numbers("const uint16_t tile_window[201]", window, 201);
    write_numbers("\nconst int16_t tile_cos25[25]", cosines, 25);
    write_numbers("\nconst int16_t tile_sin25[25]", sines, 25);
    write_numbers("\nconst int32_t tile_cos16[3]", roots, 3);
}

/* Row i: the parabola through log10(1 + (i + s) / 16) / 4 at the three Chebyshev points of 0 <= s <= 1. */
static void write_log_row(int i)
{
    double s[3], f[3];
    for (int j = 0; j < 3; j++) {
        s[j] = 0.5 - 0.5 * cos(pi * (2 * j + 1) / 6);
        f[j] = log10(1 + (i + s[j]) / 16) / 4;
    }
    const double first = (f[1] - f[0]) / (s[1] - s[0]), second = (f[2] - f[1]) / (s[2] - s[1]);
    const double bend = (second - first) / (s[2] - s[0]), slope = first - bend * (s[0] + s[1]);
    const double value = f[0] - slope * s[0] - bend * s[0] * s[0];
    printf("    {%ld, %ld, %ld},\n", lround(ldexp(value, 24)), lround(ldexp(slope, 22)),
           lround(ldexp(bend, 22)));
}

static void write_tables(void)
{
    printf("/* Written by tools/tile_tables.c; tile_tables.h describes the numbers. */\n");
    printf("/* clang-format off */\n#include \"tile/tile_tables.h\"\n\n");
    write_waves();
    printf("\nconst tile_log_row tile_log_rows[16] = {\n");
    for (int i = 0; i < 16; i++)
        write_log_row(i);
    printf("};\n");
}

/* Whole weights of a bank: pairs (falling, rising) as mel_pack_segments gives them. */
typedef struct {
    int32_t bands;
    const mel_segment *segments; /* (bands + 1) */
    const double *weights;       /* pairs */
    long *whole;                 /* pairs */
    long *offsets;               /* (bands) */
} bank;

/* Sum over the bins of band m of weights, or, after `scale` is known, of what they are rounded to. */
static double band_sum(const bank *b, int32_t m, double scale)
{
    double sum = 0;
    for (int side = 0; side < 2; side++) {
        const mel_segment *s = &b->segments[m + side]; /* rising in segment m, falling in m + 1 */
        for (int32_t i = 0; i < s->count; i++) {
            const size_t at = (size_t)(s->weights + 2 * i + 1 - side);
            if (scale > 0)
                b->whole[at] = lround(b->weights[at] * scale);
            sum += scale > 0 ? (double)b->whole[at] : b->weights[at];
        }
    }
    return sum;
}

static void make_whole(const bank *b)
{
    for (int32_t m = 0; m < b->bands; m++) {
        const double sum = band_sum(b, m, 0), whole = band_sum(b, m, WEIGHT_SUM / sum);
        if (!(whole <= WEIGHT_LIMIT)) {
            fprintf(stderr, "tile_tables: the weights of band %d add up to %g\n", (int)m, whole);
            exit(1);
        }
        /* E = energy 2^54 (whole / sum), where r = 0 */
        const double octaves = 54 + log2(whole / sum);
        b->offsets[m] = lround(ldexp(1 - octaves * log10(2) / 4, 24));
    }
}

/* Bins at the ends of the bank that count nowhere are left out. */
static void write_bank(const bank *b, size_t pairs)
{
    long counts[TILE_MAX_BANDS + 1];
    size_t lead = 0, end = pairs;
    while (lead < end && b->whole[2 * lead] == 0 && b->whole[2 * lead + 1] == 0)
        lead++;
    while (end > lead && b->whole[2 * end - 2] == 0 && b->whole[2 * end - 1] == 0)
        end--;
    for (int32_t s = 0; s <= b->bands; s++)
        counts[s] = b->segments[s].count;
    counts[0] -= (long)lead;
    counts[b->bands] -= (long)(pairs - end);
    printf("/* Written by tools/tile_tables.c; tile_kernel.h describes the numbers. */\n");
    printf("/* clang-format off */\n#include \"tile/tile_kernel.h\"\n\n");
    char name[64];
    snprintf(name, sizeof name, "static const uint8_t counts[%d]", (int)b->bands + 1);
    write_numbers(name, counts, b->bands + 1);
    snprintf(name, sizeof name, "\nstatic const uint16_t weights[%zu]", 2 * (end - lead));
    write_numbers(name, b->whole + 2 * lead, (int)(2 * (end - lead)));
    snprintf(name, sizeof name, "\nstatic const int32_t offsets[%d]", (int)b->bands);
    write_numbers(name, b->offsets, b->bands);
    printf("\nconst tile_bank tile_bank_%d = {%d, %zu, counts, weights, offsets};\n", (int)b->bands,
           (int)b->bands, (size_t)b->segments[0].first + lead);
}

static int write_bank_of(int32_t bands)
{
    sib_mel_spec spec;
    sib_error err = SIB_ERROR_INIT;
    if (bands < 1 || bands > TILE_MAX_BANDS || sib_mel_spec_preset("whisper", bands, &spec, &err) != SIB_OK)
        return 2;
    double *dense = calloc((size_t)bands * TILE_BINS, sizeof *dense),
           *spread = calloc((size_t)bands, sizeof *spread);
    double *weights = calloc(2 * TILE_BINS, sizeof *weights);
    mel_segment *segments = calloc((size_t)bands + 1, sizeof *segments);
    bank b = {bands, segments, weights, calloc(2 * TILE_BINS, sizeof(long)),
              calloc((size_t)bands, sizeof(long))};
    if (!dense || !spread || !weights || !segments || !b.whole || !b.offsets)
        return 1;
    mel_dense_weights(&spec, dense, spread);
    const size_t pairs = mel_pack_segments(&spec, dense, segments, weights);
    make_whole(&b);
    write_bank(&b, pairs);
    free(dense), free(spread), free(weights), free(segments), free(b.whole), free(b.offsets);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: tile_tables numbers|BANDS\n");
        return 2;
    }
    if (strcmp(argv[1], "numbers") == 0)
        write_tables();
    else
        return write_bank_of(atoi(argv[1]));
    return 0;
}
