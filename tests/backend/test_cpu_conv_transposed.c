/* ConvTranspose on cpu against ref: models of one node, random geometry, every attribute. */
#include "claim.h"

static check_random dice = {77};

static int64_t pick(int64_t least, int64_t max)
{
    return least + (int64_t)(check_u64(&dice) % (uint64_t)(max - least + 1));
}

static attribute list(const char *name, size_t n, const int64_t *values)
{
    return (attribute){.name = str_of(name), .kind = ATTR_INTS, .n = n, .ints = (int64_t *)values};
}

typedef struct geometry {
    size_t axes;
    int64_t batch, group, c, m; /* c, m: channels of a group */
    int64_t in[3], kernel[3], strides[3], dilations[3], pads[6], more[3], wanted[3];
    const char *auto_pad; /* or NULL */
    bool asks;            /* sets output_shape */
    bool bias, constant;
    unsigned threads;
    const double *weights; /* or NULL */
} geometry;

/* Returns false if an axis of the result is empty. */
static bool has_elements(const geometry *g)
{
    for (size_t i = 0; i < g->axes; i++) {
        int64_t full = g->strides[i] * (g->in[i] - 1) + g->more[i] + (g->kernel[i] - 1) * g->dilations[i] + 1;
        if (!g->auto_pad && !g->asks && full - g->pads[i] - g->pads[g->axes + i] < 1)
            return false;
    }
    return true;
}

/* Sets the case of g, whose lists it borrows. */
static void fill(claim_case *w, const geometry *g)
{
    *w = (claim_case){.domain = "",
                      .type = "ConvTranspose",
                      .version = 22,
                      .n_in = g->bias ? 3 : 2,
                      .n_out = 1,
                      .abs = 2e-5,
                      .rel = 2e-5,
                      .threads = g->threads};
    size_t n = g->axes, at = 0;
    w->in[0] = (claim_input){.dtype = SIB_F32, .rank = n + 2, .dims = {g->batch, g->c * g->group}};
    w->in[1] = (claim_input){.dtype = SIB_F32,
                             .rank = n + 2,
                             .dims = {g->c * g->group, g->m},
                             .constant = g->constant,
                             .values = g->weights};
    w->in[2] = (claim_input){.dtype = SIB_F32, .rank = 1, .dims = {g->m * g->group}, .constant = true};
    for (size_t i = 0; i < n; i++) {
        w->in[0].dims[2 + i] = g->in[i];
        w->in[1].dims[2 + i] = g->kernel[i];
    }
    w->attributes[at++] = list("strides", n, g->strides);
    w->attributes[at++] = list("dilations", n, g->dilations);
    w->attributes[at++] = list("output_padding", n, g->more);
    w->attributes[at++] = claim_int("group", g->group);
    w->attributes[at++] = g->auto_pad ? claim_text("auto_pad", g->auto_pad) : list("pads", 2 * n, g->pads);
    if (g->asks)
        w->attributes[at++] = list("output_shape", n, g->wanted);
    w->n_attributes = at;
}

static void check(const geometry *g, const char *what)
{
    claim_case w;
    fill(&w, g);
    claim_check(&w, what);
}

static geometry drawn(size_t axes)
{
    static const char *const paddings[] = {NULL, NULL, NULL, "SAME_UPPER", "SAME_LOWER", "VALID"};
    geometry g = {.axes = axes,
                  .batch = pick(1, 2),
                  .group = pick(0, 2) ? 1 : pick(1, 4),
                  .c = pick(1, 7),
                  .m = pick(0, 3) ? pick(1, 9) : pick(10, 40),
                  .auto_pad = paddings[pick(0, 5)],
                  .asks = !pick(0, 4),
                  .bias = pick(0, 1),
                  .constant = pick(0, 2),
                  .threads = (unsigned)pick(1, 3)};
    for (size_t i = 0; i < axes; i++) {
        g.in[i] = pick(1, axes == 1 ? 60 : axes == 2 ? 17 : 6);
        g.kernel[i] = pick(1, axes == 1 ? 11 : axes == 2 ? 5 : 3);
        g.strides[i] = pick(1, 4);
        g.dilations[i] = pick(0, 2) ? 1 : pick(1, 3);
        g.more[i] = pick(0, 2) ? 0 : pick(0, g.strides[i] - 1);
        g.pads[i] = pick(0, g.kernel[i]);
        g.pads[axes + i] = pick(0, g.kernel[i]);
        int64_t full = g.strides[i] * (g.in[i] - 1) + g.more[i] + (g.kernel[i] - 1) * g.dilations[i] + 1;
        g.wanted[i] = pick(1, full + 2);
    }
    return g;
}

TEST(random_geometry)
{
    for (int i = 0; i < check_draws(600);) {
        geometry g = drawn((size_t)pick(1, 3));
        char what[40];
        snprintf(what, sizeof what, "case %d", i);
        if (!has_elements(&g))
            continue;
        check(&g, what);
        i++;
    }
}

/* Large enough for several bands of the image, blocks of channels, and threads. Quick runs take an
   eighth of the channels of the image: bands and blocks do not depend on them. */
TEST(large)
{
    static const geometry cases[] = {
        {2, 1, 1, 64, 32, {56, 56}, {4, 4}, {2, 2}, {1, 1}, {1, 1, 1, 1}, .bias = true},
        {2, 1, 1, 128, 64, {28, 28}, {2, 2}, {2, 2}, {1, 1}, .bias = false},
        {2, 2, 24, 1, 1, {70, 61}, {4, 4}, {2, 2}, {1, 1}, {1, 1, 1, 1}, .bias = false},
        {2, 1, 1, 16, 3, {150, 97}, {9, 9}, {1, 1}, {1, 1}, {4, 4, 4, 4}, .bias = false},
        {2, 1, 1, 8, 5, {200, 31}, {5, 3}, {3, 2}, {2, 3}, {1, 0, 3, 2}, .bias = true},
        {3, 1, 1, 6, 10, {14, 20, 11}, {2, 3, 4}, {2, 3, 4}, {1, 1, 1}, .bias = true},
        {1, 1, 1, 96, 40, {700}, {16}, {8}, {1}, {4, 4}, .bias = true},
        {3, 1, 1, 12, 20, {12, 20, 20}, {3, 3, 3}, {2, 2, 2}, {1, 1, 1}, {1, 1, 1, 1, 1, 1}, .bias = false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        geometry g = cases[i];
        claim_case w;
        sib_value *expected[CLAIM_MAX];
        char what[40];
        if (getenv("SIBYL_QUICK") && g.c > 1)
            g.c = (g.c + 7) / 8;
        g.threads = 1;
        g.constant = true;
        fill(&w, &g);
        snprintf(what, sizeof what, "large case %zu", i);
        claim_expect(&w, expected);
        claim_compare(&w, expected, what);
        w.threads = 3;
        w.in[1].constant = false;
        claim_compare(&w, expected, what);
        claim_drop(expected);
    }
}

/* The zeros between and around elements times infinite weights make NaN, as in the definition. */
TEST(weights_that_are_no_numbers)
{
    for (int i = 0; i < check_draws(60); i++) {
        geometry g = drawn((size_t)pick(1, 3));
        size_t n = (size_t)(g.c * g.group * g.m);
        for (size_t k = 0; k < g.axes; k++)
            n *= (size_t)g.kernel[k];
        double *w = calloc(n, sizeof *w);
        assert_non_null(w);
        for (size_t k = 0; k < n; k++)
            w[k] = pick(0, 30) ? check_uniform(&dice) : pick(0, 1) ? INFINITY : NAN;
        g.weights = w;
        if (has_elements(&g))
            check(&g, "odd weights");
        free(w);
    }
}
