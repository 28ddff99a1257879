/* RotaryEmbedding of ONNX and of com.microsoft. */
#include "backend/cpu/attention/rotary.h"
#include "backend/cpu/attention/attention.h"

#include <string.h>

void rotary_rotate(const float *x, float *y, size_t d, size_t half, bool interleaved, const float *cosine,
                   const float *sine)
{
    for (size_t i = 0; !interleaved && i < half; i++)
        y[i] = cosine[i] * x[i] - sine[i] * x[half + i];
    for (size_t i = 0; !interleaved && i < half; i++)
        y[half + i] = sine[i] * x[i] + cosine[i] * x[half + i];
    for (size_t i = 0; interleaved && i < half; i++) {
        float first = x[2 * i], second = x[2 * i + 1];
        y[2 * i] = cosine[i] * first - sine[i] * second;
        y[2 * i + 1] = sine[i] * first + cosine[i] * second;
    }
    if (2 * half < d)
        memcpy(y + 2 * half, x + 2 * half, (d - 2 * half) * sizeof *y);
}

typedef struct rotary_state {
    attention_source x;
    size_t batch, heads, d, half;
    bool interleaved;
    size_t cosine, sine, positions; /* inputs; positions: ATTENTION_NONE where cosine is [B, S, half] */
    bool counted;                   /* positions is the position of the first row */
    size_t rows;                    /* of cosine */
} rotary_state;

/* Reads cos and sin as (rows, half), or [B, S, half] without positions. */
static bool read_caches(const node_view *n, rotary_state *s)
{
    int64_t a[SIB_MAX_RANK], b[SIB_MAX_RANK];
    size_t ranks[2], want = s->positions == ATTENTION_NONE ? 3 : 2;
    if (!attention_floats(n, s->cosine, &ranks[0], a) || !attention_floats(n, s->sine, &ranks[1], b) ||
        ranks[0] != want || ranks[1] != want || memcmp(a, b, want * sizeof *a))
        return false;
    s->rows = (size_t)a[0];
    if (want == 3 && ((size_t)a[0] != s->batch || (size_t)a[1] != s->x.n))
        return false;
    return !s->half || (size_t)a[want - 1] == s->half ? (s->half = (size_t)a[want - 1]) > 0 : false;
}

static bool read_positions(const node_view *n, rotary_state *s, bool may_count)
{
    int64_t dims[SIB_MAX_RANK];
    size_t rank;
    if (cpu_dtype(n->in[s->positions]) != SIB_I64 || !cpu_dims(n, n->in[s->positions], &rank, dims))
        return false;
    s->counted = rank == 1;
    return rank == 1 ? may_count && dims[0] == 1
                     : rank == 2 && (size_t)dims[0] == s->batch && (size_t)dims[1] == s->x.n;
}

static bool read_onnx(const node_view *n, rotary_state *s)
{
    rotary_spec spec = spec_rotary(n->node);
    int64_t rotated = spec.rotary_embedding_dim;
    *s = (rotary_state){.cosine = 1, .sine = 2, .positions = attention_has(n, 3) ? 3 : ATTENTION_NONE};
    if (!attention_source_of(n, 0, spec.num_heads, &s->batch, &s->heads, &s->d, &s->x))
        return false;
    s->half = rotated > 0 ? (size_t)rotated / 2 : s->d / 2;
    s->interleaved = spec.interleaved;
    return s->half && 2 * s->half <= s->d && !(rotated & 1) && !(rotated <= 0 && s->d & 1) &&
           read_caches(n, s) && (s->positions == ATTENTION_NONE || read_positions(n, s, false));
}

static bool read_ms(const node_view *n, rotary_state *s)
{
    rotary_spec spec = spec_rotary(n->node);
    int64_t rotated = spec.rotary_embedding_dim, heads = spec.num_heads;
    int64_t dims[SIB_MAX_RANK], cache[SIB_MAX_RANK];
    size_t rank, cache_rank;
    *s = (rotary_state){.positions = 1, .cosine = 2, .sine = 3, .interleaved = spec.interleaved};
    if (spec.scale != 1 || !attention_floats(n, 0, &rank, dims) ||
        !attention_floats(n, 2, &cache_rank, cache) || cache_rank != 2 || !attention_has(n, 1))
        return false;
    int64_t wide = rotated > 0 ? rotated : 2 * cache[1];
    if (rank == 3 && heads <= 0)
        heads = wide > 0 && dims[2] % wide == 0 ? dims[2] / wide : 0;
    if ((wide & 1) || !attention_source_of(n, 0, heads, &s->batch, &s->heads, &s->d, &s->x))
        return false;
    s->half = (size_t)wide / 2;
    return 2 * s->half <= s->d && read_caches(n, s) && read_positions(n, s, true);
}

static sib_code run(const cpu_call *c)
{
    const rotary_state *s = c->state;
    const float *x = (const float *)cpu_in(c, s->x.input)->data;
    const float *cosine = (const float *)cpu_in(c, s->cosine)->data,
                *sine = (const float *)cpu_in(c, s->sine)->data;
    const int64_t *positions =
        s->positions == ATTENTION_NONE ? NULL : (const int64_t *)cpu_in(c, s->positions)->data;
    float *y = (float *)cpu_out(c, 0)->data;
    for (size_t b = 0; b < s->batch; b++)
        for (size_t i = 0; i < s->x.n; i++) {
            size_t row = b * s->x.n + i;
            int64_t at = !positions ? (int64_t)row : s->counted ? positions[0] + (int64_t)i : positions[row];
            if (positions && at < 0)
                at += (int64_t)s->rows;
            if (positions && (at < 0 || at >= (int64_t)s->rows))
                return cpu_fail(c, SIB_ERR_VALUE, "position %lld is out of range for the cache of %zu rows",
                                (long long)at, s->rows);
            for (size_t h = 0; h < s->heads; h++) {
                size_t place = b * s->x.batch + h * s->x.head + i * s->x.row;
                rotary_rotate(x + place, y + place, s->d, s->half, s->interleaved,
                              cosine + (size_t)at * s->half, sine + (size_t)at * s->half);
            }
        }
    return SIB_OK;
}

/* ---- The two operators --------------------------------------------------------------------------------- */

static bool claims_onnx(const cpu_self *self, const node_view *n)
{
    rotary_state s;
    (void)self;
    return read_onnx(n, &s);
}

static bool claims_ms(const cpu_self *self, const node_view *n)
{
    rotary_state s;
    (void)self;
    return read_ms(n, &s);
}

static sib_code keep(const rotary_state *s, void **state, sib_error *err)
{
    rotary_state *kept = mem_alloc(1, sizeof *kept);
    if (!kept)
        return err_memory(err, sizeof *kept, "a step");
    *kept = *s;
    *state = kept;
    return SIB_OK;
}

static sib_code prepare_onnx(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    rotary_state s;
    (void)self;
    read_onnx(n, &s);
    return keep(&s, state, err);
}

static sib_code prepare_ms(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    rotary_state s;
    (void)self;
    read_ms(n, &s);
    return keep(&s, state, err);
}

const cpu_kernel cpu_rotary = {.claims = claims_onnx, .prepare = prepare_onnx, .run = run};
const cpu_kernel cpu_ms_rotary = {.claims = claims_ms, .prepare = prepare_ms, .run = run};
