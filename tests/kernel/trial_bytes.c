/* Products and windows of bytes, exact in int32: tiles of both families, joined lines, planes. */
#include "base/size.h"
#include "trial.h"

/* Integers of A, bytes or int16, extreme in some rounds. */
typedef struct left {
    void *a;
    int *values; /* (n) */
} left;

static left left_of(trial *t, size_t n, size_t element, int min, int max)
{
    left l = {trial_in(t, n, element), trial_in(t, n, sizeof(int))};
    bool extreme = t->round % 3 == 0;
    for (size_t i = 0; i < n; i++) {
        int v = l.values[i] =
            extreme ? (t->round % 2 ? max : min) : (int)trial_pick(t, 0, (size_t)(max - min)) + min;
        memcpy((char *)l.a + i * element,
               element == 1 ? (void *)&(uint8_t){(uint8_t)v} : (void *)&(int16_t){(int16_t)v}, element);
    }
    return l;
}

static size_t groups_of(trial *t)
{
    return t->bench ? 64 : trial_pick(t, 0, 40);
}

/* ---- Matrices ------------------------------------------------------------------------------------------ */

static void product(trial *t)
{
    const gemm_int_kernels *g = &t->k->gemm_int;
    size_t m = t->slot, n = t->bench ? g->nr : 1 + t->round % g->nr, groups = groups_of(t),
           k = groups * g->group;
    left a = left_of(t, m * k, g->element, 0, 255);
    int8_t *b = trial_bytes(t, k * g->nr, 1);
    for (size_t i = 0; i < k * g->nr && t->round % 3 == 0; i++)
        b[i] = t->round % 2 ? -128 : 127;
    gemm_int_tile tile = {.groups = groups, .a = a.a, .lda = k, .b = b, .ldc = n + trial_pick(t, 0, 3)};
    tile.c = trial_out(t, sizeof *tile.c, m, n, tile.ldc, TRIAL_ALONE);
    CALL(t, m * n * k, gemm_int.tile[m](&tile, n));
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            int32_t want = 0;
            for (size_t p = 0; p < k; p++)
                want += a.values[i * k + p] * b[(p / g->group * g->nr + j) * g->group + p % g->group];
            trial_expect(t, i * n + j, tile.c[i * tile.ldc + j], want, 0);
        }
}

static const trial_row product_rows[] = {
    DATA(gemm_int.mr),      DATA(gemm_int.nr),    DATA(gemm_int.group),
    DATA(gemm_int.element), DATA(gemm_int.block), ENTRY(gemm_int.tile, product),
};
const trial_family family_gemm_int = {"gemm_int", product_rows, COUNT(product_rows)};

/* ---- Images -------------------------------------------------------------------------------------------- */

static void windows(trial *t)
{
    const bytes_kernels *k = &t->k->bytes;
    size_t m = t->slot, n = t->bench ? 512 : 1 + trial_length(t) % 200, groups = groups_of(t), lines = 5;
    size_t line = (n + BYTES_SLACK) * k->group, up = size_ceil_div(n, BYTES_SLACK) * BYTES_SLACK;
    left a = left_of(t, groups * m * k->group, k->element, -128, 127);
    uint8_t *b = trial_bytes(t, lines * line, 1);
    int32_t *at = trial_in(t, groups, sizeof *at);
    for (size_t p = 0; p < groups; p++)
        at[p] = (int32_t)(trial_pick(t, 0, lines - 1) * line);
    for (size_t i = 0; i < lines * line && t->round % 3 == 0; i++)
        b[i] = 255;
    bytes_tile tile = {
        .groups = groups, .a = a.a, .b = b, .at = at, .ld = up + BYTES_SLACK + trial_pick(t, 0, 3)};
    tile.sums = trial_out(t, sizeof *tile.sums, m, n + BYTES_SLACK, tile.ld, TRIAL_ALONE);
    CALL(t, m * n * groups * k->group, bytes.tile[m](&tile, n));
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            int32_t want = 0;
            for (size_t p = 0; p < groups * k->group; p++) {
                size_t g = p / k->group, q = p % k->group;
                want += a.values[(g * m + i) * k->group + q] * b[(size_t)at[g] + j * k->group + q];
            }
            trial_expect(t, i * n + j, tile.sums[i * tile.ld + j], want, 0);
        }
}

static void join(trial *t)
{
    size_t group = t->k->bytes.group, columns = t->bench ? 256 : 1 + trial_length(t) % 150, all;
    bytes_join j = {
        .rows = t->bench ? 4 : trial_pick(t, 1, 4), .columns = columns, .flip = t->round % 2 ? 128 : 0};
    int32_t *from = trial_in(t, group, sizeof *from);
    bool neighbours = trial_pick(t, 0, 1);
    for (size_t q = 0; q < group; q++)
        from[q] = (int32_t)(neighbours ? q : trial_pick(t, 0, 50));
    j.from = from;
    j.pitch = columns + trial_pick(t, 0, 9);
    j.apart = columns + trial_pick(t, 0, 3);
    all = (j.rows - 1) * j.pitch + columns + 50;
    j.image = trial_bytes(t, all, 1);
    j.end = j.image + all;
    j.dst = trial_out(t, group, 1, (j.rows - 1) * j.apart + columns + BYTES_SLACK,
                      (j.rows - 1) * j.apart + columns + BYTES_SLACK, TRIAL_ALONE);
    CALL(t, j.rows * columns * group, bytes.join(&j));
    for (size_t i = 0; i < j.rows; i++)
        for (size_t c = 0; c < columns; c++)
            for (size_t q = 0; q < group; q++) {
                size_t at = i * j.apart + c;
                /* the slack of a row may lie in the columns of the next one until that is written */
                trial_expect(t, at, j.dst[at * group + q],
                             j.image[(size_t)from[q] + i * j.pitch + c] ^ j.flip, 0);
            }
}

static void planes(trial *t)
{
    const bytes_kernels *k = &t->k->bytes;
    if (!k->n_planes)
        return;
    const bytes_plane_row *row = &k->planes[t->round % k->n_planes];
    size_t size = row->size, taps = size_ceil_div(size, k->group) * k->group;
    bytes_plane p = {.flip = t->round % 2 ? 128 : 0, .zero = (uint8_t)trial_pick(t, 0, 255)};
    for (int i = 0; i < 2; i++) {
        p.in[i] = trial_pick(t, size, 75) + (i ? k->lanes * row->stride : 0);
        p.before[i] = trial_pick(t, 0, 4);
        p.out[i] = (p.in[i] + 2 * p.before[i] - size) / row->stride + 1;
    }
    p.row0 = trial_pick(t, 0, p.out[0] - 1);
    p.rows = trial_pick(t, 1, p.out[0] - p.row0);
    left a = left_of(t, size * taps, k->element, -128, 127);
    for (size_t i = 0; i < size * taps; i++)
        if (i % taps >= size) {
            a.values[i] = 0;
            memset((char *)a.a + i * k->element, 0, k->element);
        }
    p.a = a.a;
    p.x = trial_bytes(t, p.in[0] * p.in[1], 1);
    p.sums = trial_out(t, sizeof *p.sums, 1, p.rows * p.out[1], p.rows * p.out[1], TRIAL_ALONE);
    TIMED(t, p.rows * p.out[1], row->run(&p));
    for (size_t i = 0; i < p.rows * p.out[1]; i++) {
        int32_t want = 0;
        for (size_t tap = 0; tap < size * size; tap++) {
            size_t iy = (p.row0 + i / p.out[1]) * row->stride + tap / size - p.before[0];
            size_t ix = i % p.out[1] * row->stride + tap % size - p.before[1];
            uint8_t byte = iy < p.in[0] && ix < p.in[1] ? p.x[iy * p.in[1] + ix] : p.zero;
            want += a.values[tap / size * taps + tap % size] * (byte ^ p.flip);
        }
        trial_expect(t, i, p.sums[i], want, 0);
    }
}

static const trial_row image_rows[] = {
    DATA(bytes.mr),
    DATA(bytes.lanes),
    DATA(bytes.group),
    DATA(bytes.element),
    ENTRY(bytes.tile, windows),
    ENTRY(bytes.join, join),
    ENTRY(bytes.planes, planes),
    DATA(bytes.n_planes),
};
const trial_family family_bytes = {"bytes", image_rows, COUNT(image_rows)};
