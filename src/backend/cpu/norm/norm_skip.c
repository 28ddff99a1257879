/* Operators that normalize a sum over the last axis: of input, skip connection and bias; of embeddings. */
#include "backend/cpu/call/rows.h"
#include "backend/cpu/call/scratch.h"
#include "base/cancel.h"

#include <string.h>

static const value *given(const node_view *n, size_t i)
{
    return i < n->n_in ? n->in[i] : NULL;
}

/* ---- Input, skip and bias ------------------------------------------------------------------------------ */

typedef struct skip_state {
    size_t rows, n;
    size_t skip_rows;  /* repeated over the rows of x */
    size_t beta, bias; /* indices of the inputs; bias is past the last one where omitted */
    double epsilon;
    bool centred;
} skip_state;

static bool is_centred(const node *n)
{
    return str_is(n->type, "SkipLayerNormalization");
}

/* Number of rows of `skip`, repeated over those of x (rank, dims): its dims are the last ones of x, with ones
   before them. Returns 0 where they are not. */
static size_t repeated_rows(const node_view *n, const value *skip, size_t rank, const int64_t *dims)
{
    size_t own, at = 0, rows = 1;
    int64_t own_dims[SIB_MAX_RANK];
    if (cpu_dtype(skip) != SIB_F32 || !cpu_dims(n, skip, &own, own_dims) || !own || own > rank ||
        own_dims[own - 1] != dims[rank - 1])
        return 0;
    while (at + 1 < own && own_dims[at] == 1)
        at++;
    for (; at + 1 < own; at++) {
        if (own_dims[at] != dims[rank - own + at])
            return 0;
        rows *= (size_t)own_dims[at];
    }
    return rows;
}

static bool skip_claims(const cpu_self *self, const node_view *n)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    (void)self;
    if (n->n_in < 3 || !n->n_out || !n->out[0] || cpu_dtype(n->in[0]) != SIB_F32 ||
        !cpu_dims(n, n->in[0], &rank, dims) || !rank || !cpu_count(rank, dims) || !n->in[2])
        return false;
    for (size_t i = 2; i < n->n_in; i++)
        if (n->in[i] && !cpu_is_list(n, n->in[i], dims[rank - 1]))
            return false;
    for (size_t i = 0; i < n->n_out; i++)
        if (!cpu_gives_f32(n, i))
            return false;
    return repeated_rows(n, n->in[1], rank, dims) > 0;
}

static sib_code skip_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    (void)self;
    skip_state *s = mem_alloc(1, sizeof *s);
    *state = s;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    cpu_dims(n, n->in[0], &rank, dims);
    s->n = (size_t)dims[rank - 1];
    s->rows = cpu_count(rank - 1, dims);
    s->skip_rows = repeated_rows(n, n->in[1], rank, dims);
    s->centred = is_centred(n->node);
    s->bias = s->centred ? 4 : 3;
    s->epsilon = spec_norm(n->node).epsilon;
    return SIB_OK;
}

typedef struct skip_job {
    const cpu_call *c;
    rows_norm norm;
    const float *x, *skip, *bias;
    float *y, *sum; /* sum may be NULL */
    float *mean, *inverse;
} skip_job;

static void skip_task(void *context, size_t begin, size_t count, unsigned worker)
{
    const skip_job *j = context;
    const skip_state *s = j->c->state;
    const rows_kernels *k = &j->c->self->kernels->rows;
    size_t n = s->n;
    (void)worker;
    if (cancel_is_set(j->c->cancel))
        return;
    for (size_t i = begin; i < begin + count; i++) {
        float *sum = (j->sum ? j->sum : j->y) + i * n;
        k->add(j->x + i * n, j->skip + i % s->skip_rows * n, j->bias, n, sum);
        k->norm(&j->norm, sum, 1, j->y + i * n, j->mean ? j->mean + i : NULL,
                j->inverse ? j->inverse + i : NULL);
    }
    if (j->c->finish && cpu_wants(j->c, 0))
        j->c->finish(j->c, begin * n, count * n);
}

static sib_code skip_run(const cpu_call *c)
{
    const skip_state *s = c->state;
    void *scratch;
    skip_job job = {
        .c = c,
        .norm = {s->n, cpu_floats_in(c, 2), s->centred ? cpu_floats_in(c, 3) : NULL, s->epsilon, s->centred},
        .x = cpu_floats_in(c, 0),
        .skip = cpu_floats_in(c, 1),
        .bias = cpu_floats_in(c, s->bias),
        .y = cpu_floats_made(c, 0, s->rows * s->n, &scratch),
        .sum = cpu_floats_out(c, 3),
        .mean = s->centred ? cpu_floats_out(c, 1) : NULL,
        .inverse = cpu_floats_out(c, 2),
    };
    if (!job.y)
        return cpu_no_memory(c, s->rows * s->n * sizeof *job.y);
    sib_code code = cpu_parallel_for(c, s->rows, s->n * 3, skip_task, &job);
    cpu_scratch_give(c, scratch);
    return code;
}

const cpu_kernel cpu_skip_norm = {
    .claims = skip_claims,
    .prepare = skip_prepare,
    .run = skip_run,
    .takes_finish = true,
};

/* ---- Embeddings ---------------------------------------------------------------------------------------- */

enum { IDS, SEGMENT_IDS, WORDS, POSITIONS, SEGMENTS, GAMMA, BETA, MASK, POSITION_IDS };

/* A table of which one row is added per position. */
typedef struct embed_table {
    int64_t rows;
    size_t ids;    /* input with the indices; SIZE_MAX: positions along the time axis */
    size_t values; /* input with the rows */
} embed_table;

typedef struct embed_state {
    size_t batch, time, n, n_tables;
    embed_table tables[3]; /* (n_tables) */
    double epsilon;
} embed_state;

static bool is_ids(const node_view *n, const value *v, const int64_t *dims)
{
    size_t rank;
    int64_t own[SIB_MAX_RANK];
    return cpu_dtype(v) == SIB_I32 && cpu_dims(n, v, &rank, own) && rank == 2 && own[0] == dims[0] &&
           own[1] == dims[1];
}

/* True for a table [rows, size]; *size -1 accepts any size and is set. */
static bool is_table(const node_view *n, const value *v, int64_t *size, int64_t *rows)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    if (cpu_dtype(v) != SIB_F32 || !cpu_dims(n, v, &rank, dims) || rank != 2 ||
        (*size >= 0 && dims[1] != *size))
        return false;
    *rows = dims[0];
    *size = dims[1];
    return true;
}

static bool embed_read(const node_view *n, embed_state *s)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK], size = -1, rows;
    if (n->n_in < 7 || !n->n_out || !n->out[0] || !cpu_dims(n, n->in[IDS], &rank, dims) || rank != 2 ||
        !is_ids(n, n->in[IDS], dims) || !is_table(n, n->in[WORDS], &size, &rows) || size < 1)
        return false;
    *s = (embed_state){.batch = (size_t)dims[0], .time = (size_t)dims[1], .n = (size_t)size};
    s->epsilon = spec_norm(n->node).epsilon;
    s->tables[s->n_tables++] = (embed_table){rows, IDS, WORDS};
    const value *places = given(n, POSITION_IDS);
    if ((places && !is_ids(n, places, dims)) || !is_table(n, n->in[POSITIONS], &size, &rows))
        return false;
    s->tables[s->n_tables++] = (embed_table){rows, places ? POSITION_IDS : SIZE_MAX, POSITIONS};
    if (n->in[SEGMENT_IDS] && n->in[SEGMENTS]) {
        if (!is_ids(n, n->in[SEGMENT_IDS], dims) || !is_table(n, n->in[SEGMENTS], &size, &rows))
            return false;
        s->tables[s->n_tables++] = (embed_table){rows, SEGMENT_IDS, SEGMENTS};
    }
    const value *mask = given(n, MASK);
    return cpu_is_list(n, n->in[GAMMA], size) && cpu_is_list(n, n->in[BETA], size) &&
           (!mask || is_ids(n, mask, dims)) && cpu_gives_f32(n, 0) && cpu_gives_f32(n, 2);
}

static bool embed_claims(const cpu_self *self, const node_view *n)
{
    embed_state s;
    (void)self;
    return embed_read(n, &s);
}

static sib_code embed_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    (void)self;
    embed_state *s = mem_alloc(1, sizeof *s);
    *state = s;
    if (!s)
        return err_memory(err, sizeof *s, "a step");
    embed_read(n, s);
    return SIB_OK;
}

/* The row of a table for output row `at`. Sets the error and returns NULL for an index out of range. */
static const float *row_at(const cpu_call *c, const embed_table *t, size_t at)
{
    const embed_state *s = c->state;
    int64_t id = (int64_t)(at % s->time);
    if (t->ids != SIZE_MAX)
        id = ((const int32_t *)(const void *)cpu_in(c, t->ids)->data)[at];
    int64_t row = id < 0 ? id + t->rows : id;
    if (row < 0 || row >= t->rows) {
        cpu_fail(c, SIB_ERR_VALUE, "index %lld is out of range on axis 0 of size %lld", (long long)id,
                 (long long)t->rows);
        return NULL;
    }
    return cpu_floats_in(c, t->values) + (size_t)row * s->n;
}

/* Counts the ones in each row of the mask. */
static void count_mask(const cpu_call *c, const embed_state *s, int32_t *counts)
{
    const sib_tensor *mask = cpu_in(c, MASK);
    memset(counts, 0, s->batch * sizeof *counts);
    for (size_t i = 0; mask && i < s->batch * s->time; i++)
        counts[i / s->time] += ((const int32_t *)(const void *)mask->data)[i] == 1;
}

/* Computes every row of the sum and of its normalization. */
static sib_code embed_rows(const cpu_call *c, float *y)
{
    const embed_state *s = c->state;
    const rows_kernels *k = &c->self->kernels->rows;
    rows_norm norm = {s->n, cpu_floats_in(c, GAMMA), cpu_floats_in(c, BETA), s->epsilon, true};
    float *sums = cpu_floats_out(c, 2);
    for (size_t i = 0; i < s->batch * s->time; i++) {
        const float *rows[3] = {NULL, NULL, NULL};
        float *sum = (sums ? sums : y) + i * s->n;
        for (size_t t = 0; t < s->n_tables; t++)
            if (!(rows[t] = row_at(c, &s->tables[t], i)))
                return SIB_ERR_VALUE;
        k->add(rows[0], rows[1], rows[2], s->n, sum);
        k->norm(&norm, sum, 1, y + i * s->n, NULL, NULL);
    }
    return SIB_OK;
}

static sib_code embed_run(const cpu_call *c)
{
    const embed_state *s = c->state;
    size_t count = s->batch * s->time * s->n;
    void *scratch;
    float *y = cpu_floats_made(c, 0, count, &scratch);
    sib_tensor *counts = cpu_out(c, 1);
    if (!y)
        return cpu_no_memory(c, count * sizeof *y);
    sib_code code = embed_rows(c, y);
    if (code == SIB_OK && counts)
        count_mask(c, s, (int32_t *)(void *)counts->data);
    if (code == SIB_OK && c->finish && cpu_wants(c, 0))
        c->finish(c, 0, count);
    cpu_scratch_give(c, scratch);
    return code;
}

const cpu_kernel cpu_embed_norm = {
    .claims = embed_claims,
    .prepare = embed_prepare,
    .run = embed_run,
    .takes_finish = true,
};
