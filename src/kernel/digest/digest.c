/* Digests of values: one pass in blocks that stay in L1, then the histogram.

   Dense tensors are read in parts, one per thread at a time, as float32 or, where that does not hold every
   element, as doubles; what the parts find is joined in order, so that the result does not depend on the
   threads. Others are read element by element. */
#include <sibyl/digest.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/size.h"
#include "kernel/digest/digest_cells.h"
#include "tensor/convert.h"
#include "tensor/tensor.h"
#include "tensor/walk.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define GROUP  16 /* consecutive elements of a sample */
#define GROUPS (SIB_DIGEST_SAMPLE / GROUP)

#define PART_MIN  32768 /* min elements of a part, where there are several */
#define MAX_PARTS 8

/* ---- Moments ----------------------------------------------------------------------------------------- */

typedef struct moments {
    uint64_t n, n_nan, n_plus, n_minus, n_zero; /* n: finite elements */
    double min, max, mean, squares;             /* squares: sum of squared deviations from the mean */
} moments;

/* Chan, Golub, LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample variances". */
static void join_moments(moments *m, const moments *b)
{
    const double n = (double)m->n + (double)b->n, apart = b->mean - m->mean;
    m->n_nan += b->n_nan;
    m->n_plus += b->n_plus;
    m->n_minus += b->n_minus;
    m->n_zero += b->n_zero;
    if (!b->n)
        return;
    m->min = m->n ? fmin(m->min, b->min) : b->min;
    m->max = m->n ? fmax(m->max, b->max) : b->max;
    m->squares =
        m->n ? m->squares + b->squares + apart * apart * ((double)m->n * (double)b->n / n) : b->squares;
    m->mean = m->n ? m->mean * ((double)m->n / n) + b->mean * ((double)b->n / n) : b->mean;
    m->n += b->n;
}

static void add_element(moments *m, double x)
{
    if (isnan(x))
        m->n_nan++;
    else if (isinf(x))
        *(x > 0 ? &m->n_plus : &m->n_minus) += 1;
    else {
        m->min = m->n && m->min < x ? m->min : x;
        m->max = m->n && m->max > x ? m->max : x;
        m->n++;
        m->n_zero += x == 0;
        /* halves: the difference of two finite numbers may overflow */
        const double apart = x / 2 - m->mean / 2;
        m->mean += 2 * (apart / (double)m->n);
        m->squares += 2 * apart * (x - m->mean);
    }
}

/* ---- Samples ------------------------------------------------------------------------------------------- */

/* Groups of GROUP elements: group `pick_of(k)` of each stretch of `stretch` groups. */
typedef struct sample {
    uint64_t count;   /* elements of the value */
    uint64_t stretch; /* 1: all groups */
    float *x;         /* (SIB_DIGEST_SAMPLE); NULL: nothing is taken */
} sample;

static void sample_begin(sample *s, uint64_t count, float *x)
{
    *s = (sample){count, ((count + GROUP - 1) / GROUP + GROUPS - 1) / GROUPS, x};
}

/* Weyl's sequence with the golden ratio distributes the places evenly. */
static uint64_t pick_of(const sample *s, uint64_t k)
{
    return k * s->stretch + ((k * UINT64_C(0x9E3779B97F4A7C15)) >> 32) * s->stretch / (UINT64_C(1) << 32);
}

/* Takes what belongs to the sample of the elements from `at`, a multiple of GROUP, on. */
static void sample_take(const sample *s, uint64_t at, const float *x, size_t n)
{
    const uint64_t begin = at / GROUP, end = (at + n + GROUP - 1) / GROUP;
    for (uint64_t k = begin / s->stretch; s->x && k * s->stretch < end; k++) {
        const uint64_t group = pick_of(s, k);
        if (group >= begin && group < end) {
            const size_t from = (size_t)(group - begin) * GROUP;
            float *to = s->x + k * GROUP;
            if (n - from >= GROUP)
                memcpy(to, x + from, GROUP * sizeof *x); /* inline */
            else
                memcpy(to, x + from, (n - from) * sizeof *x);
        }
    }
}

/* The elements that were taken, finite ones alone, at the front of s->x. finite: all elements are. */
static size_t sample_end(const sample *s, bool finite)
{
    size_t n = 0;
    if (finite && s->stretch == 1)
        return (size_t)s->count;
    for (uint64_t k = 0; k < GROUPS && pick_of(s, k) * GROUP < s->count; k++) {
        const uint64_t left = s->count - pick_of(s, k) * GROUP;
        if (finite && left >= GROUP)
            n += GROUP; /* they are in place */
        for (size_t i = 0; i < GROUP && i < left && !(finite && left >= GROUP); i++)
            if (isfinite(s->x[k * GROUP + i]))
                s->x[n++] = s->x[k * GROUP + i];
    }
    return n;
}

/* ---- Histograms ---------------------------------------------------------------------------------------- */

static void count_doubles(sib_digest *out, const double *x, size_t n)
{
    const double width = (out->max / SIB_DIGEST_BINS) - (out->min / SIB_DIGEST_BINS);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            continue;
        const double place = x[i] / width - out->min / width; /* NaN and inf where width is 0 or nearly */
        out->histogram[place >= 0 && place < SIB_DIGEST_BINS ? (size_t)place : SIB_DIGEST_BINS - 1]++;
        out->n_histogram++;
    }
}

/* Finite floats. */
static void count_floats(sib_digest *out, const digest_kernels *k, const float *x, size_t n)
{
    const float low = (float)out->min, scale = (float)(SIB_DIGEST_BINS / (out->max - out->min));
    if (isnormal(scale)) {
        uint32_t counts[SIB_DIGEST_BINS] = {0};
        k->bins(x, n, low, scale, counts);
        for (size_t i = 0; i < SIB_DIGEST_BINS; i++)
            out->histogram[i] += counts[i];
        out->n_histogram += n;
        return;
    }
    for (size_t i = 0; i < n; i++)
        count_doubles(out, &(double){(double)x[i]}, 1);
}

/* ---- Dense tensors ------------------------------------------------------------------------ */

typedef struct part {
    moments m;
    cells c;
} part;

typedef struct reading {
    const sib_tensor *t;
    const char *data;
    const kernel_table *k;
    bool wide; /* floats may not hold every element */
    grid g;
    sample s;
    size_t part_elements; /* a multiple of DIGEST_BLOCK */
    part *parts;
} reading;

/* Whether floats hold every element exactly, and are made in blocks of DIGEST_BLOCK. */
static bool reads_as_floats(const sib_tensor *t)
{
    return (t->dtype == SIB_F32 || t->dtype == SIB_F16 || t->dtype == SIB_BF16 || t->dtype == SIB_BOOL ||
            (t->dtype >= SIB_U8 && t->dtype <= SIB_I16));
}

/* Floats hold all integers from -2^24 to 2^24 - 1: for these alone it is below 2^25. */
#define INTEGER_PLACE(x) ((uint64_t)(x) + (1 << 24))

/* Integers of 32 or 64 bits as floats. Returns whether all are exact; false for other types. */
static bool integers_at(const reading *r, uint64_t at, size_t n, float *room)
{
    uint64_t places = 0;
    if (r->t->dtype == SIB_I32)
        for (size_t i = 0; i < n; i++) {
            const int32_t x = ((const int32_t *)r->data)[at + i];
            places |= INTEGER_PLACE((int64_t)x);
            room[i] = (float)x;
        }
    else if (r->t->dtype == SIB_I64)
        for (size_t i = 0; i < n; i++) {
            const int64_t x = ((const int64_t *)r->data)[at + i];
            places |= INTEGER_PLACE(x);
            room[i] = (float)x;
        }
    else
        return false;
    return places < 1 << 25;
}

/* Elements at .. at + n - 1 as floats, in the tensor or in room: (DIGEST_BLOCK). NULL where these are not exact. */
static const float *floats_at(const reading *r, uint64_t at, size_t n, float *room)
{
    if (r->wide)
        return integers_at(r, at, n, room) ? room : NULL;
    const sib_dtype dtype = r->t->dtype;
    const char *from = r->data + at * (sib_dtype_bits(dtype) / 8);
    const float one = 1.0f, zero = 0.0f;
    if (dtype == SIB_F32)
        return (const float *)from;
    if (dtype == SIB_F16)
        r->k->widen_f16(from, room, n);
    else if (dtype == SIB_BF16)
        r->k->widen_bf16(from, room, n);
    else
        r->k->quantize.from[dtype == SIB_BOOL ? SIB_U8 : dtype](from, n, (quantize_by){&one, &zero, 0}, room);
    return room;
}

static void read_one_by_one(const reading *r, part *p, uint64_t at, const float *x, size_t n, bool with_cells)
{
    moments m = {0};
    for (size_t i = 0; i < n; i++) {
        add_element(&m, (double)x[i]);
        if (with_cells)
            add_to_cell(&r->g, &p->c, at + i, (double)x[i]);
    }
    join_moments(&p->m, &m);
}

static void read_block(const reading *r, part *p, gatherer *a, uint64_t at, const float *x, size_t n)
{
    const digest_kernels *k = &r->k->digest;
    digest_scan scan;
    k->scan(x, n, &scan);
    sample_take(&r->s, at, x, n);
    if (!scan.finite || scan.max > 1e30f || scan.min < -1e30f) { /* sums of cells may overflow */
        read_one_by_one(r, p, at, x, n, true);
        return;
    }
    gather(a, at, x, n);
    const float range = scan.max - scan.min, mean = scan.sum / (float)n;
    /* squares of other deviations overflow or underflow */
    if (!(range < 1e17f && (range > 1e-15f || range == 0.0f))) {
        read_one_by_one(r, p, at, x, n, false);
        return;
    }
    const moments m = {.n = n,
                       .n_zero = scan.zeros,
                       .min = (double)scan.min,
                       .max = (double)scan.max,
                       .mean = (double)scan.sum / (double)n,
                       .squares = (double)k->squares(x, n, mean)};
    join_moments(&p->m, &m);
}

/* A block of doubles of other types; the cells and the sample take them as floats. */
static void read_wide(const reading *r, part *p, gatherer *a, uint64_t at, size_t n)
{
    double x[CONVERT_BLOCK], odd = 0, sum = 0;
    float rounded[CONVERT_BLOCK];
    moments m = {.n = n};
    convert_to_doubles(r->t->dtype, r->data, (size_t)at, n, CONVERT_MODULUS, x);
    for (size_t i = 0; i < n; i++) {
        rounded[i] = (float)x[i];
        odd += (double)rounded[i] * 0;
        sum += x[i];
        m.n_zero += x[i] == 0;
    }
    sample_take(&r->s, at, rounded, n);
    if (odd != 0 || fabs(sum) > 1e100) { /* so are numbers that no float holds */
        for (size_t i = 0; i < n; i++) {
            add_element(&p->m, x[i]);
            add_to_cell(&r->g, &p->c, at + i, x[i]);
        }
        return;
    }
    gather(a, at, rounded, n);
    m.min = m.max = x[0];
    m.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        m.min = x[i] < m.min ? x[i] : m.min;
        m.max = x[i] > m.max ? x[i] : m.max;
        m.squares += (x[i] - m.mean) * (x[i] - m.mean);
    }
    join_moments(&p->m, &m);
}

static void read_parts(void *context, size_t begin, size_t count, unsigned worker)
{
    const reading *r = context;
    gatherer a;
    float room[DIGEST_BLOCK];
    (void)worker;
    for (size_t i = begin; i < begin + count; i++) {
        const uint64_t first = (uint64_t)i * r->part_elements,
                       end = r->t->count - first < r->part_elements ? r->t->count : first + r->part_elements;
        gather_begin(&a, &r->g, &r->k->digest, &r->parts[i].c);
        for (uint64_t at = first; at < end; at += DIGEST_BLOCK) {
            const size_t n = end - at < DIGEST_BLOCK ? (size_t)(end - at) : DIGEST_BLOCK;
            const float *x = floats_at(r, at, n, room);
            if (x)
                read_block(r, &r->parts[i], &a, at, x, n);
            for (size_t k = 0; !x && k < n; k += CONVERT_BLOCK)
                read_wide(r, &r->parts[i], &a, at + k, size_min(n - k, CONVERT_BLOCK));
        }
        gather_end(&a);
    }
}

static void finish_moments(const moments *m, sib_digest *out)
{
    out->n_nan = m->n_nan;
    out->n_plus_inf = m->n_plus;
    out->n_minus_inf = m->n_minus;
    out->n_zero = m->n_zero;
    out->min = m->n ? m->min : NAN;
    out->max = m->n ? m->max : NAN;
    out->mean = m->n ? fmin(fmax(m->mean, m->min), m->max) : NAN;
    out->std = m->n ? sqrt(m->squares / (double)m->n) : NAN;
}

static void count_all(const reading *r, sib_digest *out)
{
    double wide[CONVERT_BLOCK];
    for (uint64_t at = 0; at < r->t->count && r->wide; at += CONVERT_BLOCK) {
        const size_t n = r->t->count - at < CONVERT_BLOCK ? (size_t)(r->t->count - at) : CONVERT_BLOCK;
        convert_to_doubles(r->t->dtype, r->data, (size_t)at, n, CONVERT_MODULUS, wide);
        count_doubles(out, wide, n);
    }
    float room[DIGEST_BLOCK], finite[DIGEST_BLOCK];
    for (uint64_t at = 0; at < r->t->count && !r->wide; at += DIGEST_BLOCK) {
        const size_t n = r->t->count - at < DIGEST_BLOCK ? (size_t)(r->t->count - at) : DIGEST_BLOCK;
        const float *x = floats_at(r, at, n, room);
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
            finite[kept] = x[i];
            kept += isfinite(x[i]) != 0;
        }
        count_floats(out, &r->k->digest, finite, kept);
    }
}

static sib_code digest_dense(const sib_tensor *t, const sib_digest_options *o, sib_digest *out,
                             sib_error *err)
{
    float taken[SIB_DIGEST_SAMPLE];
    part one;
    const uint64_t n_parts = size_min(MAX_PARTS, size_max(1, (size_t)(t->count / PART_MIN)));
    reading r = {.t = t,
                 .data = sib_tensor_data((sib_tensor *)t),
                 .k = kernel_table_get(),
                 .wide = !reads_as_floats(t),
                 .part_elements =
                     size_ceil_div((size_t)(t->count / n_parts + 1), DIGEST_BLOCK) * DIGEST_BLOCK,
                 .parts = &one};
    const size_t n = size_ceil_div((size_t)t->count, r.part_elements);
    grid_of(&r.g, t->rank, t->dims);
    sample_begin(&r.s, t->count, taken);
    const bool in_place = t->dtype == SIB_F32 && r.s.stretch == 1; /* the sample is the tensor */
    if (in_place)
        r.s.x = NULL;
    one.m = (moments){0};
    clear_cells(&r.g, &one.c);
    if (n > 1 && !(r.parts = mem_calloc(n, sizeof *r.parts)))
        return err_memory(err, n * sizeof *r.parts, "a digest");
    pool_run(o->pool, n, 1, read_parts, &r);
    for (size_t i = 1; i < n; i++) {
        join_moments(&r.parts->m, &r.parts[i].m);
        join_cells(&r.g, &r.parts->c, &r.parts[i].c);
    }
    finish_moments(&r.parts->m, out);
    finish_cells(&r.g, &r.parts->c, t->count, out);
    const bool finite = r.parts->m.n == t->count,
               fits = fmax(fabs(out->min), fabs(out->max)) <= (double)FLT_MAX;
    if (r.parts->m.n && ((o->exact && r.s.stretch > 1) || !fits))
        count_all(&r, out);
    else if (in_place && finite)
        count_floats(out, &r.k->digest, (const float *)r.data, (size_t)t->count);
    else if (in_place)
        count_all(&r, out);
    else if (r.parts->m.n)
        count_floats(out, &r.k->digest, taken, sample_end(&r.s, finite));
    if (r.parts != &one)
        mem_free(r.parts);
    return SIB_OK;
}

/* ---- Other values ------------------------------------------------------------------------------------- */

/* Calls `each` with every element of t in order, as doubles. */
static void walk_doubles(const sib_tensor *t,
                         void (*each)(void *context, uint64_t at, const double *x, size_t n), void *context)
{
    char scratch[WALK_SCRATCH];
    double x[WALK_BLOCK];
    tensor_walk walk;
    size_t n;
    uint64_t at = 0;
    sib_tensor_data((sib_tensor *)t);
    walk_begin(&walk, t);
    for (const void *next = walk_next(&walk, scratch, &n); n > 0; next = walk_next(&walk, scratch, &n)) {
        for (size_t i = 0; t->dtype == SIB_STRING && i < n; i++)
            x[i] = (double)((const sib_str *)next)[i].length;
        if (t->dtype != SIB_STRING)
            convert_to_doubles(t->dtype, next, 0, n, CONVERT_MODULUS, x);
        each(context, at, x, n);
        at += n;
    }
}

/* A value read element by element. */
typedef struct slow_reading {
    moments m;
    grid g;
    cells c;
    bool grid; /* the value is one tensor */
    sib_digest *out;
    uint64_t before; /* elements of earlier tensors */
    sample s;        /* without x: which elements the histogram counts */
} slow_reading;

static void read_doubles(void *context, uint64_t at, const double *x, size_t n)
{
    slow_reading *r = context;
    for (size_t i = 0; i < n; i++) {
        add_element(&r->m, x[i]);
        if (r->grid)
            add_to_cell(&r->g, &r->c, at + i, x[i]);
    }
}

static void count_sampled(void *context, uint64_t at, const double *x, size_t n)
{
    slow_reading *r = context;
    for (size_t i = 0; i < n; i++) {
        const uint64_t group = (r->before + at + i) / GROUP;
        if (pick_of(&r->s, group / r->s.stretch) == group)
            count_doubles(r->out, &x[i], 1);
    }
}

static void count_tensors(const sib_value *v, uint64_t *count)
{
    const sib_tensor *t = sib_value_get_kind(v) == SIB_VALUE_MAP ? sib_value_values(v) : sib_value_tensor(v);
    *count += t ? t->count : 0;
    for (size_t i = 0; i < sib_value_count(v); i++)
        count_tensors(sib_value_item(v, i), count);
}

/* Values are at most 64 deep. */
static void walk_value(const sib_value *v,
                       void (*each)(void *context, uint64_t at, const double *x, size_t n), slow_reading *r)
{
    const sib_tensor *t = sib_value_get_kind(v) == SIB_VALUE_MAP ? sib_value_values(v) : sib_value_tensor(v);
    if (t) {
        walk_doubles(t, each, r);
        r->before += t->count;
    }
    for (size_t i = 0; i < sib_value_count(v); i++)
        walk_value(sib_value_item(v, i), each, r);
}

static void digest_slowly(const sib_value *v, bool exact, sib_digest *out)
{
    slow_reading r = {.out = out, .grid = sib_value_get_kind(v) == SIB_VALUE_TENSOR};
    if (r.grid)
        grid_of(&r.g, sib_tensor_rank(sib_value_tensor(v)), sib_tensor_dims(sib_value_tensor(v)));
    walk_value(v, read_doubles, &r);
    finish_moments(&r.m, out);
    if (r.grid)
        finish_cells(&r.g, &r.c, out->count, out);
    sample_begin(&r.s, out->count, NULL);
    if (exact)
        r.s.stretch = 1;
    r.before = 0;
    if (r.m.n)
        walk_value(v, count_sampled, &r);
}

sib_code sib_digest_of(const sib_value *v, const sib_digest_options *options, sib_digest *out, sib_error *err)
{
    static const sib_digest_options defaults;
    const sib_digest_options *o = options ? options : &defaults;
    if (!v || !out)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is NULL", v ? "out" : "the value");
    const sib_tensor *t = sib_value_tensor(v);
    memset(out, 0, sizeof *out);
    out->min = out->max = out->mean = out->std = NAN;
    count_tensors(v, &out->count);
    if (t && t->count && t->dense && t->dtype != SIB_STRING)
        return digest_dense(t, o, out, err);
    digest_slowly(v, o->exact, out);
    return SIB_OK;
}
