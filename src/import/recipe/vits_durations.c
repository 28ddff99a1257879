/* How long tokens are spoken: VITS' stochastic predictor, read backwards from noise, and the plain one. Source: transformers;
   the splines are those of Durkan et al. 2019. */
#include "import/recipe/vits.h"

#include <math.h>

typedef struct predictor {
    int64_t d, kernel, layers, flows, bins;
    double bound; /* of the splines; values beyond it stay */
} predictor;

static const char *name_of(build *b, const char *what)
{
    return build_text(b, "duration_predictor.%s", what);
}

/* What the speaker adds to x [1, to, N]. */
static value_id add_speaker(build *b, const vits *m, value_id x, int64_t to)
{
    if (m->speaker == NO_VALUE)
        return x;
    return build_add(b, x, build_point(b, m->speaker, name_of(b, "cond"), m->speaker_size, to));
}

/* ---- Dilated convolutions ------------------------------------------------------------------------------ */

/* x [1, d, N] plus what the layers of `where` add; condition: NO_VALUE for none. */
static value_id convolutions(build *b, const predictor *p, value_id x, const char *where, value_id condition)
{
    if (condition != NO_VALUE)
        x = build_add(b, x, condition);
    for (int64_t i = 0, dilation = 1; i < p->layers; i++, dilation *= p->kernel) {
        const long long n = (long long)i;
        const build_conv c = {.name = build_text(b, "%s.convs_dilated.%lld", where, n),
                              .from = p->d,
                              .to = p->d,
                              .kernel = p->kernel,
                              .stride = 1,
                              .groups = p->d,
                              .dilation = dilation,
                              .before = (p->kernel - 1) * dilation / 2,
                              .after = (p->kernel - 1) * dilation / 2,
                              .weight = NO_VALUE,
                              .bias = true};
        value_id y = build_conv_1d(b, x, &c);
        y = build_norm_channels(b, y, build_text(b, "%s.norms_1.%lld", where, n), p->d, 1e-5);
        y = build_point(b, build_gelu(b, y, false), build_text(b, "%s.convs_pointwise.%lld", where, n), p->d,
                        p->d);
        y = build_norm_channels(b, y, build_text(b, "%s.norms_2.%lld", where, n), p->d, 1e-5);
        x = build_add(b, x, build_gelu(b, y, false));
    }
    return x;
}

/* ---- Splines ------------------------------------------------------------------------------------------- */

#define MIN_SIZE 1e-3 /* of a bin's width, height and slope */

static value_id softmax(build *b, value_id x)
{
    value_id out;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", -1);
    build_node(b, "Softmax", &a, 1, &x, 1, &out);
    return out;
}

/* x [1, N, n] with a number before its rows or behind them. */
static value_id padded(build *b, value_id x, int64_t before, int64_t after, double with)
{
    const int64_t pads[] = {0, 0, before, 0, 0, after};
    return build_3(b, "Pad", x, build_ints(b, 6, pads), build_float(b, with));
}

static value_id cut(build *b, value_id x, int64_t from, int64_t to)
{
    return build_slice(b, x, build_int(b, from), build_int(b, to), 2);
}

/* Edges of the bins [1, N, bins + 1] from -bound to bound, whose sizes x [1, N, bins] are in proportion to their exponentials. */
static value_id edges(build *b, const predictor *p, value_id x)
{
    const int64_t inner = p->bins - 1;
    value_id size = build_mul(b, softmax(b, x), build_float(b, 1 - MIN_SIZE * (double)p->bins));
    size = build_add(b, size, build_float(b, MIN_SIZE));
    value_id at = build_2(b, "CumSum", size, build_scalar_int(b, 2));
    at = build_mul(b, cut(b, at, 0, inner), build_float(b, 2 * p->bound));
    return padded(b, padded(b, build_sub(b, at, build_float(b, p->bound)), 1, 0, -p->bound), 0, 1, p->bound);
}

static value_id differences(build *b, const predictor *p, value_id edge)
{
    return build_sub(b, cut(b, edge, 1, p->bins + 1), cut(b, edge, 0, p->bins));
}

static value_id pick(build *b, value_id x, value_id bin)
{
    value_id out;
    build_attributes a = build_no_attributes();
    build_set_int(&a, "axis", 2);
    build_node(b, "GatherElements", &a, 2, (value_id[]){x, bin}, 1, &out);
    return out;
}

/* The bin of each y [1, N, 1] by the edges' heights. */
static value_id find_bin(build *b, const predictor *p, value_id y, value_id heights)
{
    value_id above = build_2(b, "GreaterOrEqual", y, cut(b, heights, 1, p->bins));
    return build_2(b, "ReduceSum", build_cast(b, above, SIB_I64), build_int(b, 2));
}

/* The x of which the spline makes y [1, N, 1]; shape [1, N, 3 bins - 1]: logits of widths and heights, slopes between bins.
   A quadratic equation in the place within the bin: a t^2 + b t + c = 0. */
static value_id spline_back(build *b, const predictor *p, value_id y, value_id shape)
{
    const value_id scale = build_float(b, sqrt((double)p->d)), two = build_float(b, 2),
                   four = build_float(b, 4);
    value_id parts[3], inside = build_3(b, "Clip", y, build_float(b, -p->bound), build_float(b, p->bound));
    build_split_as(b, shape, 2, 3, (const int64_t[]){p->bins, p->bins, p->bins - 1}, parts);
    value_id x = edges(b, p, build_2(b, "Div", parts[0], scale)),
             h = edges(b, p, build_2(b, "Div", parts[1], scale)),
             slopes =
                 padded(b, build_add(b, build_1(b, "Softplus", parts[2]), build_float(b, MIN_SIZE)), 1, 1, 1),
             widths = differences(b, p, x), heights = differences(b, p, h), bin = find_bin(b, p, inside, h),
             width = pick(b, widths, bin), height = pick(b, heights, bin), slope = pick(b, slopes, bin),
             next = pick(b, cut(b, slopes, 1, p->bins + 1), bin),
             mean = pick(b, build_2(b, "Div", heights, widths), bin),
             up = build_sub(b, inside, pick(b, h, bin)),
             bend = build_sub(b, build_add(b, slope, next), build_mul(b, two, mean)),
             bent = build_mul(b, up, bend),
             qa = build_add(b, build_mul(b, height, build_sub(b, mean, slope)), bent),
             qb = build_sub(b, build_mul(b, height, slope), bent),
             qc = build_1(b, "Neg", build_mul(b, mean, up)),
             root = build_sub(b, build_mul(b, qb, qb), build_mul(b, four, build_mul(b, qa, qc)));
    root = build_1(b, "Sqrt", build_2(b, "Max", root, build_float(b, 0)));
    value_id t = build_2(b, "Div", build_mul(b, two, qc), build_sub(b, build_1(b, "Neg", qb), root)),
             made = build_add(b, build_mul(b, t, width), pick(b, x, bin));
    return build_3(b, "Where", build_2(b, "Equal", inside, y), made, y);
}

/* ---- The stochastic predictor -------------------------------------------------------------------------- */

/* Channels 1 and 0 of x [1, 2, N]: one decides what the other becomes. */
static value_id flow_back(build *b, const predictor *p, value_id x, int64_t i, value_id condition)
{
    static const int64_t swapped[] = {0, 2, 1};
    const char *where = name_of(b, build_text(b, "flows.%lld", (long long)i));
    value_id parts[2];
    build_scope(b, "durations.%lld", (long long)i);
    build_split(b, x, 1, 2, parts);
    value_id y = build_point(b, parts[1], build_text(b, "%s.conv_pre", where), 1, p->d);
    y = convolutions(b, p, y, build_text(b, "%s.conv_dds", where), condition);
    y = build_point(b, y, build_text(b, "%s.conv_proj", where), p->d, 3 * p->bins - 1);
    y = spline_back(b, p, build_transpose(b, parts[0], 3, swapped), build_transpose(b, y, 3, swapped));
    return build_concat(b, 1, 2, (value_id[]){parts[1], build_transpose(b, y, 3, swapped)});
}

/* The first flow, a scale and a shift for each channel, of which one is asked for. */
static value_id affine_back(build *b, value_id x)
{
    const int64_t dims[] = {2, 1};
    value_id parts[2], shift = build_weight(b, name_of(b, "flows.0.translate"), 2, dims),
                       scale = build_weight(b, name_of(b, "flows.0.log_scale"), 2, dims);
    build_split(b, x, 1, 2, parts);
    x = build_concat(b, 1, 2, (value_id[]){parts[1], parts[0]});
    x = build_mul(b, build_sub(b, x, shift), build_1(b, "Exp", build_1(b, "Neg", scale)));
    build_split(b, x, 1, 2, parts);
    return parts[0];
}

static predictor read_predictor(build *b, const vits *m)
{
    predictor p = {.d = m->d,
                   .kernel = build_fact_int(b, "duration_predictor_kernel_size", 3, 1, 31),
                   .layers = build_fact_int(b, "depth_separable_num_layers", 3, 1, 8),
                   .flows = build_fact_int(b, "duration_predictor_num_flows", 4, 1, 64),
                   .bins = build_fact_int(b, "duration_predictor_flow_bins", 10, 2, 512),
                   .bound = checkpoint_float(b->c, "duration_predictor_tail_bound", 5)};
    build_fact_int(b, "depth_separable_channels", 2, 2, 2);
    const double reach = pow((double)p.kernel, (double)p.layers);
    if (!(p.bound > 0 && p.bound <= 1e6) || p.kernel % 2 == 0 || reach > 1 << 20)
        build_fail(
            b, SIB_ERR_UNSUPPORTED,
            "%s: durations by %lld convolutions of kernel %lld (duration_predictor_kernel_size, odd) and "
            "splines up to %g (duration_predictor_tail_bound) are not supported",
            checkpoint_file(b->c, 0), (long long)p.layers, (long long)p.kernel, p.bound);
    return p;
}

/* log of the durations [1, 1, N] */
static value_id stochastic(build *b, const vits *m, value_id x)
{
    const predictor p = read_predictor(b, m);
    if (b->code != SIB_OK)
        return NO_VALUE;
    value_id y = build_input(b, "duration_noise", SIB_F32, "1 2 N"),
             condition = add_speaker(b, m, build_point(b, x, name_of(b, "conv_pre"), m->d, m->d), m->d);
    condition = convolutions(b, &p, condition, name_of(b, "conv_dds"), NO_VALUE);
    condition = build_point(b, condition, name_of(b, "conv_proj"), m->d, m->d);
    for (int64_t i = p.flows; i > 1; i--) /* flow 1 is of no use, says the source */
        y = flow_back(b, &p, y, i, condition);
    return affine_back(b, y);
}

/* ---- The plain predictor ------------------------------------------------------------------------------- */

static value_id plain(build *b, const vits *m, value_id x)
{
    const int64_t wide = build_fact_int(b, "duration_predictor_filter_channels", 256, 1, 1 << 16),
                  kernel = build_fact_int(b, "duration_predictor_kernel_size", 3, 1, 31);
    if (b->code == SIB_OK && kernel % 2 == 0)
        build_fail(b, SIB_ERR_UNSUPPORTED,
                   "%s: duration_predictor_kernel_size is %lld, expected an odd number",
                   checkpoint_file(b->c, 0), (long long)kernel);
    x = add_speaker(b, m, x, m->d);
    for (int i = 1; i <= 2; i++) {
        const build_conv c = {.name = name_of(b, build_text(b, "conv_%d", i)),
                              .from = i == 1 ? m->d : wide,
                              .to = wide,
                              .kernel = kernel,
                              .stride = 1,
                              .groups = 1,
                              .before = kernel / 2,
                              .after = kernel / 2,
                              .weight = NO_VALUE,
                              .bias = true};
        x = build_1(b, "Relu", build_conv_1d(b, x, &c));
        x = build_norm_channels(b, x, name_of(b, build_text(b, "norm_%d", i)), wide, m->epsilon);
    }
    return build_point(b, x, name_of(b, "proj"), wide, 1);
}

value_id vits_durations(build *b, const vits *m, value_id x)
{
    build_scope(b, "durations");
    x = build_fact_bool(b, "use_stochastic_duration_prediction", true) ? stochastic(b, m, x) : plain(b, m, x);
    return build_1(b, "Exp", build_reshape(b, x, 2, (const int64_t[]){1, -1}));
}
