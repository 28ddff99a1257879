/* The plan of a convolution by transforms, and its weights; see conv2d_winograd_plan.h. */
#include "base/size.h"
#include "kernel/conv/conv2d_winograd_plan.h"
#include "kernel/gemm/gemm.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define MIN_CHANNELS     16 /* and features; with fewer, transforms cost what fewer products save */
#define TILES            48 /* of an item: that many rows share each read of the weights */
#define THREADS_MIN      2  /* times CONV2D_ALONE_WORK */
#define ITEMS_PER_THREAD 4
#define IN_BYTES         (512 * 1024) /* of transformed pixels, which then stay in the L2 cache */
#define FAR_PANELS       4            /* panels that share a read of transformed pixels above that */

/* ---- Choice -------------------------------------------------------------------------------------------- */

static size_t round_to_lines(size_t floats)
{
    return size_ceil_div(floats, 16) * 16;
}

static bool fits(const conv2d_plan *p)
{
    const conv2d_axis *a = p->s.axis;
    if (p->s.kind != CONV2D_PRODUCT || p->s.x != SIB_F32 || p->s.y != SIB_F32 || p->s.groups != 1 ||
        p->in_plane != a[1].in * a[2].in || a[0].kernel != 1 || a[0].out != 1 || a[0].before)
        return false;
    for (int i = 1; i < CONV2D_AXES; i++)
        if (a[i].kernel != 3 || a[i].stride != 1 || a[i].dilation != 1)
            return false;
    return true;
}

static double cost_of(const conv2d_plan *p, size_t m)
{
    const kernel_costs *costs = p->table->costs;
    const conv2d_axis *a = p->s.axis;
    double c = (double)p->s.c, features = (double)p->s.m, images = (double)p->s.batch;
    if (!m)
        return p->work * costs->winograd_direct + c * features * 9 * costs->winograd_weight;
    double places = (double)((m + 2) * (m + 2));
    double tiles = images * (double)(size_ceil_div(a[1].out, m) * size_ceil_div(a[2].out, m));
    return places * (tiles * c * features * costs->winograd_product + c * features * costs->winograd_weight +
                     tiles * (c + features) * costs->winograd_place);
}

double conv2d_winograd_ratio(const conv2d_plan *p, size_t m)
{
    const conv2d_winograd_kernels *k = &p->table->conv2d_winograd;
    bool has = false;
    for (size_t i = 0; i < k->n_forms; i++)
        has |= k->forms[i].m == m;
    if (!has || !fits(p) || p->s.c < MIN_CHANNELS || p->s.m < MIN_CHANNELS)
        return INFINITY;
    return cost_of(p, m) / cost_of(p, 0);
}

static const conv2d_winograd_form *choose(const conv2d_plan *p, size_t m)
{
    const conv2d_winograd_kernels *k = &p->table->conv2d_winograd;
    const conv2d_winograd_form *best = NULL;
    double min = cost_of(p, 0);
    bool any = m > 0;
    if (!fits(p) || (!any && (p->s.c < MIN_CHANNELS || p->s.m < MIN_CHANNELS)))
        return NULL;
    for (size_t i = 0; i < k->n_forms; i++) {
        double cost = cost_of(p, k->forms[i].m);
        if (any ? k->forms[i].m == m : cost < min) {
            best = &k->forms[i];
            min = cost;
        }
    }
    return best;
}

/* Cuts a plane into blocks of about TILES tiles, entire rows of tiles where those are short. */
static void choose_blocks(const conv2d_plan *p, unsigned threads, conv2d_winograd *i)
{
    const gemm_kernels *t = &p->table->gemm;
    size_t all = i->tiles[0] * i->tiles[1];
    size_t rows = size_max(1, TILES / i->tiles[1]), columns = size_min(TILES, i->tiles[1]);
    if (all <= TILES + TILES / 4)
        rows = i->tiles[0];
    for (int k = 0; k < 2; k++) {
        i->blocks[k] = size_ceil_div(i->tiles[k], k ? columns : rows);
        i->block[k] = size_ceil_div(i->tiles[k], i->blocks[k]);
        i->blocks[k] = size_ceil_div(i->tiles[k], i->block[k]);
    }
    size_t tiles = i->block[0] * i->block[1];
    i->in_floats = i->places * tiles * conv2d_winograd_row(p);
    i->group = i->in_floats * sizeof(float) > IN_BYTES ? FAR_PANELS * t->nr : t->nr;
    i->groups = size_ceil_div(p->s.m, i->group);
    bool shared = threads > 1 && p->work > THREADS_MIN * CONV2D_ALONE_WORK;
    size_t blocks = p->s.batch * i->blocks[0] * i->blocks[1];
    size_t wanted = shared ? ITEMS_PER_THREAD * (size_t)threads : 1;
    i->m_blocks = blocks < wanted ? size_min(i->groups, size_ceil_div(wanted, blocks)) : 1;
    i->items = blocks * i->m_blocks;
    i->workers = shared && i->items > 1 ? threads : 1;
}

void conv2d_winograd_make(const conv2d_plan *p, unsigned threads, size_t m, conv2d_winograd *out)
{
    const conv2d_winograd_kernels *k = &p->table->conv2d_winograd;
    const conv2d_axis *a = p->s.axis;
    conv2d_winograd *i = out;
    size_t floats;
    *i = (conv2d_winograd){0};
    const conv2d_winograd_form *form = choose(p, m);
    if (!form)
        return;
    i->m = form->m;
    i->n = i->m + 2;
    i->places = i->n * i->n;
    i->columns = gemm_columns(&p->table->gemm, p->s.m);
    /* all other sizes are below what the weights and the image already take */
    if (!size_mul(p->s.c, i->columns, &floats) || !size_mul(floats, (i->places + 9) * sizeof(float), &floats))
        return;
    for (int axis = 0; axis < 2; axis++)
        i->tiles[axis] = size_ceil_div(a[1 + axis].out, i->m);
    choose_blocks(p, threads, i);
    size_t pixels = (i->block[0] * i->m + 2) * (i->block[1] * i->m + 2), tiles = i->block[0] * i->block[1];
    i->image_floats = round_to_lines(pixels * k->lanes);
    i->sizes_floats = round_to_lines(pixels + tiles);
    i->in_floats = round_to_lines(i->in_floats);
    i->sums_floats = round_to_lines(i->places * tiles * i->group);
    i->row_floats = round_to_lines(i->m * i->m * p->k);
    i->out_floats = round_to_lines(i->m * i->block[1] * i->m * k->lanes);
    i->scratch_floats =
        i->image_floats + i->sizes_floats + i->in_floats + i->sums_floats + i->row_floats + i->out_floats;
    i->packed_floats = WINOGRAD_HEAD + (i->places + 9) * p->s.c * i->columns;
    i->form = form;
}

void conv2d_winograd_make_method(const conv2d_plan *p, unsigned threads, conv2d_method method,
                                 conv2d_winograd *out)
{
    *out = (conv2d_winograd){0};
    if (method == CONV2D_BY_COSTS)
        conv2d_winograd_make(p, threads, 0, out);
    else if (method == CONV2D_WINOGRAD_2 || method == CONV2D_WINOGRAD_4)
        conv2d_winograd_make(p, threads, method == CONV2D_WINOGRAD_2 ? 2 : 4, out);
}

/* ---- Weights ------------------------------------------------------------------------------------------- */

/* Rows of G, by m. */
typedef double matrix_g[CONV2D_WINOGRAD_N][3];

static void make_g(size_t m, matrix_g g)
{
    static const matrix_g of_2 = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    const double a = 0.75, b = 1.5, points[] = {0, a, -a, b, -b};
    if (m == 2) {
        memcpy(g, of_2, sizeof of_2);
        return;
    }
    for (int i = 0; i < 5; i++) {
        double f = 1;
        for (int j = 0; j < 5; j++)
            f *= j == i ? 1 : points[i] - points[j];
        for (int k = 0; k < 3; k++)
            g[i][k] = (k == 0 ? 1 : k == 1 ? points[i] : points[i] * points[i]) / f;
    }
    g[5][0] = g[5][1] = 0;
    g[5][2] = 1;
}

/* Transforms one channel of up to GEMM_MAX_NR features. w: theirs, `apart` floats apart; to: (places, width),
   `place` floats apart. */
static void transform(const matrix_g g, size_t n, const float *w, size_t apart, size_t features, size_t width,
                      float *to, size_t place)
{
    double in[9][GEMM_MAX_NR] = {{0}}, half[3 * CONV2D_WINOGRAD_N][GEMM_MAX_NR];
    for (size_t f = 0; f < features; f++)
        for (int k = 0; k < 9; k++)
            in[k][f] = (double)w[f * apart + (size_t)k];
    for (size_t i = 0; i < n; i++)
        for (int l = 0; l < 3; l++)
            for (size_t f = 0; f < width; f++)
                half[3 * i + (size_t)l][f] =
                    g[i][0] * in[l][f] + g[i][1] * in[3 + l][f] + g[i][2] * in[6 + l][f];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            const double *h0 = half[3 * i], *h1 = half[3 * i + 1], *h2 = half[3 * i + 2];
            float *row = to + (i * n + j) * place;
            for (size_t f = 0; f < width; f++)
                row[f] = (float)(h0[f] * g[j][0] + h1[f] * g[j][1] + h2[f] * g[j][2]);
        }
}

/* The max |x| that these weights allow, see WINOGRAD_HEAD. A row of B^T has a sum of magnitudes below 6, one
   of A^T below 9, one of G at most 1.5; so an intermediate number is at most 36 |x|, and 81 * 36 * 2.25 |x|
   |w|. */
static float largest_sum(const conv2d_plan *p, const float *w)
{
    float largest = 0;
    for (size_t m = 0; m < p->s.m; m++) {
        float of_one = 0;
        for (size_t k = 0; k < p->k; k++, w++) {
            if (!isfinite(*w))
                return -1;
            of_one = fmaxf(of_one, fabsf(*w));
        }
        if (of_one > 0 && of_one < WINOGRAD_MIN)
            return -1;
        largest = fmaxf(largest, of_one);
    }
    if (largest > FLT_MAX / 4)
        return -1;
    return FLT_MAX / 16384 / fmaxf(largest, 1);
}

void conv2d_winograd_pack(const conv2d_winograd *i, const conv2d_plan *p, const float *w, float *dst)
{
    const gemm_kernels *t = &p->table->gemm;
    size_t c = p->s.c, n = p->s.m;
    matrix_g g;
    make_g(i->m, g);
    memset(dst, 0, WINOGRAD_HEAD * sizeof *dst);
    dst[0] = largest_sum(p, w);
    float *to = dst + WINOGRAD_HEAD, *direct = to + i->places * c * i->columns;
    for (size_t k = 0; k < i->groups; k++) {
        size_t begin = conv2d_winograd_feature(i, p, k), end = conv2d_winograd_feature(i, p, k + 1);
        size_t place = c * gemm_columns(t, end - begin);
        for (size_t f = begin; f < end; f += t->nr) {
            float *panel = to + c * (f - begin);
            size_t width = gemm_width(t, n, f), features = size_min(t->nr, n - f);
            for (size_t channel = 0; channel < c; channel++)
                transform(g, i->n, w + f * p->k + channel * 9, p->k, features, width, panel + channel * width,
                          place);
        }
        to += i->places * place;
    }
    gemm_pack_panels(t, w, 1, p->k, p->k, n, 0, size_ceil_div(n, t->nr), direct);
}
