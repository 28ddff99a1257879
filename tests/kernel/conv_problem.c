#include "conv_problem.h"

#include "base/alloc.h"

#include <math.h>

/* ---- Shapes -------------------------------------------------------------------------------------------- */

conv2d_axis conv_axis(check_random *r, size_t in, size_t kernel, size_t max_stride)
{
    conv2d_axis a = {in, kernel, 1, 1, 0, 1, 0};
    if (check_u64(r) % 3 == 0)
        a.stride = conv_pick(r, 1, max_stride);
    if (check_u64(r) % 4 == 0)
        a.dilation = conv_pick(r, 1, 4);
    a.before = check_u64(r) % 2 ? conv_pick(r, 0, kernel) : 0;
    size_t after = check_u64(r) % 2 ? conv_pick(r, 0, kernel) : 0, extent = (kernel - 1) * a.dilation + 1;
    if (a.before + in + after < extent)
        a.before = extent; /* windows over padding alone */
    a.out = (a.before + in + after - extent) / a.stride + 1;
    return a;
}

conv2d_axis conv_padded_axis(size_t in, size_t kernel, size_t stride, size_t pad)
{
    return (conv2d_axis){in, kernel, stride, 1, pad, (in + 2 * pad - kernel) / stride + 1, pad};
}

const char *conv_text(const conv2d_shape *s)
{
    static char text[400];
    int n = snprintf(text, sizeof text, "batch %zu groups %zu c %zu m %zu", s->batch, s->groups, s->c, s->m);
    for (int i = 0; i < CONV2D_AXES; i++) {
        const conv2d_axis *a = &s->axis[i];
        n += snprintf(text + n, sizeof text - (size_t)n, " [%zu k%zu s%zu d%zu b%zu -> %zu]", a->in,
                      a->kernel, a->stride, a->dilation, a->before, a->out);
    }
    return text;
}

CHECK_UNWATCHED void conv_sources(const conv2d_shape *s, size_t at, size_t *sources)
{
    const conv2d_axis *a = s->axis;
    size_t first[CONV2D_AXES] = {at / a[2].out / a[1].out, at / a[2].out % a[1].out, at % a[2].out};
    for (int i = 0; i < CONV2D_AXES; i++)
        first[i] = first[i] * a[i].stride - a[i].before;
    for (size_t i = 0; i < a[0].kernel; i++)
        for (size_t j = 0; j < a[1].kernel; j++)
            for (size_t l = 0; l < a[2].kernel; l++) {
                size_t z = first[0] + i * a[0].dilation, y = first[1] + j * a[1].dilation,
                       x = first[2] + l * a[2].dilation;
                bool inside = z < a[0].in && y < a[1].in && x < a[2].in;
                *sources++ = inside ? (z * a[1].in + y) * a[2].in + x : SIZE_MAX;
            }
}

/* ---- Problems ------------------------------------------------------------------------------------------ */

void *conv_room(size_t n, size_t size)
{
    void *p = mem_calloc(n + 1, size);
    assert_non_null(p);
    return p;
}

CHECK_UNWATCHED static float *numbers(check_random *r, size_t n, bool integers)
{
    float *x = conv_room(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = integers ? (float)((int)(check_u64(r) % 17) - 8) : (float)check_uniform(r);
    return x;
}

void conv_make(conv_problem *p, const conv2d_shape *s, check_random *r, bool integers)
{
    *p = (conv_problem){.s = *s,
                        .in = CONV_VOLUME(s, in),
                        .out = CONV_VOLUME(s, out),
                        .taps = CONV_VOLUME(s, kernel),
                        .features = s->groups * s->m};
    p->nx = s->batch * s->groups * s->c * p->in;
    p->nw = p->features * s->c * p->taps;
    p->ny = s->batch * p->features * p->out;
    bool biased = s->kind == CONV2D_PRODUCT && check_u64(r) % 2;
    p->x = numbers(r, p->nx, integers);
    p->w = numbers(r, p->nw, integers);
    p->bias = biased ? numbers(r, p->features, integers) : NULL;
    p->y = conv_room(p->ny, sizeof *p->y);
    p->expected = conv_room(p->ny, sizeof *p->expected);
    p->size = conv_room(p->ny, sizeof *p->size);
    p->seen = conv_room(p->ny, sizeof *p->seen);
    p->finished = conv_room(p->ny, 1);
}

/* What all features of a group read at one place: its numbers, in the order of the weights. */
typedef struct window {
    double *x;    /* (c * taps); where there is padding the number that changes no result */
    int32_t *i;   /* the same as integers, or NULL */
    double seen;  /* sum of |x| */
    size_t n, in; /* numbers, and those that are not padding */
} window;

/* x: of the group. */
CHECK_UNWATCHED static void read_window(const conv_problem *p, const float *x, const size_t *sources,
                                        window *w)
{
    const bool largest = p->s.kind == CONV2D_LARGEST;
    w->seen = 0;
    w->n = w->in = 0;
    for (size_t c = 0; c < p->s.c; c++, x += p->in)
        for (size_t k = 0; k < p->taps; k++) {
            const bool in = sources[k] != SIZE_MAX;
            const double term = in ? (double)x[sources[k]] : largest ? -INFINITY : 0;
            w->in += in;
            w->seen += fabs(term);
            if (w->i)
                w->i[w->n] = (int32_t)term;
            w->x[w->n++] = term;
        }
}

/* Whether these are integers whose products int32_t holds. */
CHECK_UNWATCHED static bool integers_alone(const float *x, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += fabsf(x[i]) <= 1024.0f && x[i] == truncf(x[i]);
    return found == n;
}

CHECK_UNWATCHED static int64_t dot(const int32_t *a, const int32_t *b, size_t n)
{
    int64_t sum = 0;
    for (size_t k = 0; k < n; k++)
        sum += a[k] * b[k];
    return sum;
}

/* The largest number of a window, or the sum of its products or numbers; NaN where there is one. integers: where the problem
   has integers its weights, whose products are summed as integers: that is exact, and where floats are emulated quick. */
CHECK_UNWATCHED static void reduce_window(conv_problem *p, size_t at, const window *from,
                                          const int32_t *integers)
{
    const size_t feature = at / p->out % p->features, n = integers ? 0 : from->n;
    const double *x = from->x;
    const float *w = p->s.kind == CONV2D_PRODUCT ? p->w + feature * n : NULL;
    const bool largest = p->s.kind == CONV2D_LARGEST;
    double sum = largest ? -INFINITY : p->bias ? (double)p->bias[feature] : 0, size = largest ? 0 : fabs(sum);
    if (integers)
        sum += (double)dot(from->i, integers + feature * from->n, from->n);
    for (size_t k = 0; k < n; k++) {
        const double term = w ? x[k] * (double)w[k] : x[k];
        if (!largest)
            sum += term;
        else if (!isnan(sum) && !(term <= sum))
            sum = term;
        size += isinf(term) ? 0 : fabs(term);
    }
    if (p->s.kind == CONV2D_AVERAGE)
        sum /= (double)from->in;
    if (p->s.kind == CONV2D_AVERAGE_PADDED)
        sum /= (double)p->taps;
    if (p->clamped && !isnan(sum))
        sum = fmin((double)p->high, fmax((double)p->low, sum));
    p->expected[at] = sum;
    p->size[at] = size;
    p->seen[at] = from->seen;
}

CHECK_UNWATCHED void conv_reference(conv_problem *p)
{
    size_t *sources = conv_room(p->taps, sizeof *sources);
    window w = {.x = conv_room(p->s.c * p->taps, sizeof *w.x)};
    int32_t *integers = NULL; /* the weights */
    if (p->s.kind == CONV2D_PRODUCT && integers_alone(p->x, p->nx) && integers_alone(p->w, p->nw)) {
        w.i = conv_room(p->s.c * p->taps, sizeof *w.i);
        integers = conv_room(p->nw, sizeof *integers);
        for (size_t i = 0; i < p->nw; i++)
            integers[i] = (int32_t)p->w[i];
    }
    for (size_t place = 0; place < p->out; place++) {
        conv_sources(&p->s, place, sources);
        for (size_t group = 0; group < p->s.batch * p->s.groups; group++) {
            read_window(p, p->x + group * p->s.c * p->in, sources, &w);
            for (size_t m = 0; m < p->s.m; m++)
                reduce_window(p, (group * p->s.m + m) * p->out + place, &w, integers);
        }
    }
    mem_free(sources);
    mem_free(integers);
    mem_free(w.i);
    mem_free(w.x);
}

void conv_drop(conv_problem *p)
{
    void *all[] = {p->x, p->w, p->bias, p->y, p->expected, p->size, p->seen, p->finished};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        mem_free(all[i]);
}

conv2d_call conv_call_of(conv_problem *p, const conv2d_plan *plan, const float *packed, float *scratch,
                         size_t n)
{
    memset(p->finished, 0, p->ny);
    for (size_t i = 0; i < p->ny; i++)
        p->y[i] = 12345.0f;
    for (size_t i = 0; i < n; i++)
        scratch[i] = NAN;
    return (conv2d_call){.plan = plan,
                         .x = p->x,
                         .w = packed,
                         .bias = p->bias,
                         .y = p->y,
                         .scratch = scratch,
                         .clamped = p->clamped,
                         .low = p->low,
                         .high = p->high,
                         .finish = conv_mark_finished,
                         .context = p->finished};
}

void conv_mark_finished(const void *context, size_t begin, size_t count)
{
    unsigned char *finished = (unsigned char *)(uintptr_t)context;
    for (size_t i = begin; i < begin + count; i++)
        finished[i]++;
}

void conv_check_finished(const conv2d_shape *s, const char *level, const unsigned char *finished, size_t ny)
{
    for (size_t i = 0; i < ny; i++)
        if (finished[i] != 1)
            fail_msg("%s, %s: element %zu was finished %d times", level, conv_text(s), i, finished[i]);
}
