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
#include "kernel/digest/digest_statistics.h"
#include "tensor/convert.h"
#include "tensor/tensor.h"
#include "tensor/walk.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define PART_MIN  32768 /* min elements of a part, where there are several */
#define MAX_PARTS 8

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
    size_t block;         /* elements that are converted at once */
    size_t part_elements; /* a multiple of it */
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
static bool integers_of(sib_dtype dtype, const void *from, size_t n, float *room)
{
    uint64_t places = 0;
    if (dtype == SIB_I32)
        for (size_t i = 0; i < n; i++) {
            const int32_t x = ((const int32_t *)from)[i];
            places |= INTEGER_PLACE((int64_t)x);
            room[i] = (float)x;
        }
    else if (dtype == SIB_I64)
        for (size_t i = 0; i < n; i++) {
            const int64_t x = ((const int64_t *)from)[i];
            places |= INTEGER_PLACE(x);
            room[i] = (float)(int32_t)x;
        }
    else
        return false;
    return places < 1 << 25;
}

/* n elements as floats, where they are or in room: (n). NULL where these are not exact. */
static const float *floats_of(const reading *r, const void *from, size_t n, float *room)
{
    const sib_dtype dtype = r->t->dtype;
    const float one = 1.0f, zero = 0.0f;
    if (r->wide)
        return integers_of(dtype, from, n, room) ? room : NULL;
    if (dtype == SIB_F32)
        return from;
    if (dtype == SIB_F16)
        r->k->widen_f16(from, room, n);
    else if (dtype == SIB_BF16)
        r->k->widen_bf16(from, room, n);
    else
        r->k->quantize.from[dtype == SIB_BOOL ? SIB_U8 : dtype](from, n, (quantize_by){&one, &zero, 0}, room);
    return room;
}

/* Element `at`, of types of bytes. */
static const char *element_at(const reading *r, uint64_t at)
{
    return r->data + at * (sib_dtype_bits(r->t->dtype) / 8);
}

static void add_one_by_one(moments *m, const float *x, size_t n)
{
    moments own = {0};
    for (size_t i = 0; i < n; i++)
        add_element(&own, (double)x[i]);
    join_moments(m, &own);
}

/* Sum of squared deviations of n floats, from their squares unless their mean is so large that these say little. */
static double deviations(const digest_kernels *k, const float *x, size_t n, const digest_scan *s)
{
    const double mean = (double)s->sum / (double)n, common = (double)s->sum * mean,
                 apart = (double)s->squares - common;
    if (s->max == s->min)
        return 0;
    return common < 4 * apart ? apart : (double)k->squares(x, n, (float)mean);
}

/* Adds what a scan has found. */
static void add_scan(moments *to, const digest_kernels *k, const float *x, size_t n, const digest_scan *s)
{
    const float range = s->max - s->min;
    /* squares of other deviations overflow or underflow */
    if (!(range < 1e17f && (range > 1e-15f || range == 0.0f))) {
        add_one_by_one(to, x, n);
        return;
    }
    const moments m = {.n = n,
                       .n_zero = s->zeros,
                       .min = (double)s->min,
                       .max = (double)s->max,
                       .mean = (double)s->sum / (double)n,
                       .squares = deviations(k, x, n, s)};
    join_moments(to, &m);
}

/* Takes n elements. Returns false where a gatherer that is not careful met some that do not fit. */
static bool read_floats(const reading *r, part *p, gatherer *a, uint64_t at, const float *x, size_t n)
{
    digest_scan scan;
    for (size_t many; n; x += many, at += many, n -= many) {
        many = gather(a, at, x, n, &scan);
        if (scan_fits(&scan))
            add_scan(&p->m, &r->k->digest, x, many, &scan);
        else if (!a->careful)
            return false;
        else {
            add_one_by_one(&p->m, x, many);
            for (size_t i = 0; i < many; i++)
                add_to_cell(&r->g, &p->c, at + i, (double)x[i]);
        }
    }
    return true;
}

/* Elements of other types as doubles; the cells take them as floats. */
static bool read_doubles_of(const reading *r, part *p, gatherer *a, uint64_t at, size_t n)
{
    double x[CONVERT_BLOCK], odd = 0, sum = 0;
    float rounded[CONVERT_BLOCK];
    moments m = {.n = n};
    digest_scan scan;
    convert_to_doubles(r->t->dtype, r->data, (size_t)at, n, CONVERT_MODULUS, x);
    for (size_t i = 0; i < n; i++) {
        rounded[i] = (float)x[i];
        odd += (double)rounded[i] * 0;
        sum += x[i];
        m.n_zero += x[i] == 0;
    }
    if (odd != 0 || fabs(sum) > 1e100) { /* so are numbers that no float holds */
        for (size_t i = 0; i < n; i++) {
            add_element(&p->m, x[i]);
            add_to_cell(&r->g, &p->c, at + i, x[i]);
        }
        return true;
    }
    for (size_t i = 0, many; i < n; i += many) {
        many = gather(a, at + i, rounded + i, n - i, &scan);
        if (!scan_fits(&scan) && !a->careful)
            return false;
        for (size_t k = i; !scan_fits(&scan) && k < i + many; k++)
            add_to_cell(&r->g, &p->c, at + k, x[k]);
    }
    m.min = m.max = x[0];
    m.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        m.min = x[i] < m.min ? x[i] : m.min;
        m.max = x[i] > m.max ? x[i] : m.max;
        m.squares += (x[i] - m.mean) * (x[i] - m.mean);
    }
    join_moments(&p->m, &m);
    return true;
}

static bool read_part(const reading *r, part *p, gatherer *a, uint64_t first, uint64_t end)
{
    float room[DIGEST_BLOCK];
    bool fits = true;
    for (uint64_t at = first; at < end && fits; at += r->block) {
        const size_t n = end - at < r->block ? (size_t)(end - at) : r->block;
        const float *x = floats_of(r, element_at(r, at), n, room);
        if (x)
            fits = read_floats(r, p, a, at, x, n);
        for (size_t k = 0; !x && k < n && fits; k += CONVERT_BLOCK)
            fits = read_doubles_of(r, p, a, at + k, size_min(n - k, CONVERT_BLOCK));
    }
    return fits;
}

/* Parts with elements that do not fit are read a second time, carefully. */
static void read_parts(void *context, size_t begin, size_t count, unsigned worker)
{
    const reading *r = context;
    gatherer a;
    (void)worker;
    for (size_t i = begin; i < begin + count; i++) {
        const uint64_t first = (uint64_t)i * r->part_elements,
                       end = r->t->count - first < r->part_elements ? r->t->count : first + r->part_elements;
        part *p = &r->parts[i];
        bool done = false;
        for (int careful = 0; careful < 2 && !done; careful++) {
            p->m = (moments){0};
            clear_cells(&r->g, &p->c);
            gather_begin(&a, &r->g, r->t->count, &r->k->digest, &p->c, careful);
            done = read_part(r, p, &a, first, end);
        }
        gather_end(&a);
    }
}

/* The elements that the histogram counts, where they are or in room: (SIB_DIGEST_SAMPLE). */
static const float *read_sample(const reading *r, float *room)
{
    char narrow[SIB_DIGEST_SAMPLE * 2], *raw = r->t->dtype == SIB_F32 ? (char *)room : narrow;
    double wide[GROUP];
    const sample s = sample_of(r->t->count);
    const size_t bytes = sib_dtype_bits(r->t->dtype) / 8 * GROUP;
    if (!r->wide && s.stretch == 1)
        return floats_of(r, r->data, (size_t)s.count, room);
    for (uint64_t k = 0; k < GROUPS && pick_of(&s, k) * GROUP < s.count; k++) {
        const uint64_t at = pick_of(&s, k) * GROUP, left = s.count - at;
        if (!r->wide) {
            memcpy(raw + k * bytes, element_at(r, at), left < GROUP ? left * bytes / GROUP : bytes);
            continue;
        }
        const size_t n = left < GROUP ? (size_t)left : GROUP;
        convert_to_doubles(r->t->dtype, r->data, (size_t)at, n, CONVERT_MODULUS, wide);
        for (size_t i = 0; i < n; i++)
            room[k * GROUP + i] = (float)wide[i];
    }
    return r->wide ? room : floats_of(r, raw, sample_count(&s), room);
}

static void count_all(const reading *r, sib_digest *out)
{
    double wide[CONVERT_BLOCK];
    for (uint64_t at = 0; at < r->t->count && r->wide; at += CONVERT_BLOCK) {
        const size_t n = r->t->count - at < CONVERT_BLOCK ? (size_t)(r->t->count - at) : CONVERT_BLOCK;
        convert_to_doubles(r->t->dtype, r->data, (size_t)at, n, CONVERT_MODULUS, wide);
        count_doubles(out, wide, n);
    }
    float room[DIGEST_BLOCK];
    for (uint64_t at = 0; at < r->t->count && !r->wide; at += DIGEST_BLOCK) {
        const size_t n = r->t->count - at < DIGEST_BLOCK ? (size_t)(r->t->count - at) : DIGEST_BLOCK;
        count_finite(out, &r->k->digest, floats_of(r, element_at(r, at), n, room), n);
    }
}

/* A tensor whose cells are its elements. Returns false where others or some that are not finite are to be read. */
static bool digest_small(const reading *r, sib_digest *out)
{
    const sib_tensor *t = r->t;
    const size_t width = t->rank ? (size_t)t->dims[t->rank - 1] : 1, n = (size_t)t->count;
    float room[SIDE * SIDE];
    digest_scan scan;
    moments m = {0};
    if (t->count > SIDE * SIDE || width > SIDE ||
        (t->rank > 1 && (uint64_t)t->dims[t->rank - 2] * width != t->count))
        return false;
    const float *x = n / width > SIDE ? NULL : floats_of(r, r->data, n, room);
    if (!x)
        return false;
    r->k->digest.scan(x, 1, n, NULL, &scan);
    if (!scan_fits(&scan))
        return false;
    add_scan(&m, &r->k->digest, x, n, &scan);
    finish_moments(&m, out);
    out->columns = (uint32_t)width;
    out->rows = (uint32_t)(n / width);
    for (size_t i = 0; i < out->rows; i++)
        memcpy(out->cells[i], x + i * width, width * sizeof *x);
    count_floats(out, &r->k->digest, x, n);
    return true;
}

static sib_code digest_dense(const sib_tensor *t, const sib_digest_options *o, sib_digest *out,
                             sib_error *err)
{
    float room[SIB_DIGEST_SAMPLE];
    part one;
    const size_t n_parts = size_min(MAX_PARTS, size_max(1, (size_t)(t->count / PART_MIN)));
    reading r = {.t = t,
                 .data = sib_tensor_data((sib_tensor *)t),
                 .k = kernel_table_get(),
                 .wide = !reads_as_floats(t),
                 .parts = &one};
    if (digest_small(&r, out))
        return SIB_OK;
    grid_of(&r.g, t->rank, t->dims);
    r.block = gather_block(&r.g, t->count);
    r.part_elements = size_ceil_div((size_t)(t->count / n_parts + 1), r.block) * r.block;
    const size_t n = size_ceil_div((size_t)t->count, r.part_elements);
    if (n > 1 && !(r.parts = mem_calloc(n, sizeof *r.parts)))
        return err_memory(err, n * sizeof *r.parts, "a digest");
    pool_run(o->pool, n, 1, read_parts, &r);
    for (size_t i = 1; i < n; i++) {
        join_moments(&r.parts->m, &r.parts[i].m);
        join_cells(&r.g, &r.parts->c, &r.parts[i].c);
    }
    finish_moments(&r.parts->m, out);
    finish_cells(&r.g, &r.parts->c, t->count, out);
    const sample s = sample_of(t->count);
    const bool fits = fmax(fabs(out->min), fabs(out->max)) <= (double)FLT_MAX;
    if (r.parts->m.n && ((o->exact && s.stretch > 1) || !fits))
        count_all(&r, out);
    else if (r.parts->m.n == t->count)
        count_floats(out, &r.k->digest, read_sample(&r, room), sample_count(&s));
    else if (r.parts->m.n)
        count_finite(out, &r.k->digest, read_sample(&r, room), sample_count(&s));
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
    sample s;        /* the elements that the histogram counts */
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
    r.s = sample_of(out->count);
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
