/* Runs of chains. */
#include "kernel/chain/chain_internal.h"

#include "base/assert.h"
#include "tensor/convert.h"

#include <string.h>

#define ROW_GAP 64 /* between rows, so that they do not map to the same cache sets */

typedef struct runner {
    const chain *c;
    const void *const *operands;
    void *const *results;
    char *scratch;
    size_t row_bytes;
    const void **at; /* (n_values) memory of each value in this block */
} runner;

static size_t row_bytes(const chain *c, size_t count)
{
    size_t n = size_min(c->block, count) + c->period;
    return (n * c->widest + 63) / 64 * 64 + ROW_GAP;
}

size_t chain_scratch(const chain *c, size_t count)
{
    return c->rows * row_bytes(c, count);
}

static void *row_at(const runner *r, size_t row)
{
    return r->scratch + row * r->row_bytes;
}

static const void *memory_of(const runner *r, size_t operand)
{
    const chain_memory *m = &r->c->operands[operand];
    return m->elements ? m->elements : r->operands[m->number];
}

/* Fills rows of n elements that serve all blocks of a run. */
static void begin(const runner *r, size_t n)
{
    const chain *c = r->c;
    for (size_t i = 0; i < c->n_operands; i++) {
        const chain_memory *m = &c->operands[i];
        if (!c->values[m->value].used)
            continue;
        if (m->layout.place != CHAIN_SCALAR && !m->tiled)
            continue;
        if (m->row != CHAIN_NONE)
            chain_fill(c, m, memory_of(r, i), row_at(r, m->row), n);
        r->at[m->value] = m->row != CHAIN_NONE ? row_at(r, m->row) : m->ready ? m->ready : memory_of(r, i);
    }
}

static void fetch(const runner *r, size_t first, size_t n)
{
    const chain *c = r->c;
    for (size_t i = 0; i < c->n_operands; i++) {
        const chain_memory *m = &c->operands[i];
        if (!c->values[m->value].used || m->layout.place == CHAIN_SCALAR)
            continue;
        void *row = m->tiled && m->ready ? m->ready : m->row != CHAIN_NONE ? row_at(r, m->row) : NULL;
        r->at[m->value] = chain_fetch(c, m, memory_of(r, i), row, first, n);
    }
}

/* The index of the first 0 among n elements, or n. */
static size_t find_zero(const void *elements, size_t bytes, size_t n)
{
    static const unsigned char zero[8] = {0};
    SIB_ASSERT(elements || !n);
    for (size_t i = 0; i < n; i++)
        if (!memcmp((const char *)elements + i * bytes, zero, bytes))
            return i;
    return n;
}

/* The dtype of a row's elements for conversions. */
static sib_dtype row_dtype(sib_dtype dtype)
{
    return chain_is_half(dtype) ? SIB_F32 : dtype;
}

static void convert(const chain *c, const chain_step *s, const void *from, char *to, size_t n)
{
    const chain_value *v = &c->values[s->value];
    sib_dtype source = row_dtype(c->values[v->in[0]].dtype);
    uint16_t half[CONVERT_BLOCK];
    sib_overflow overflow = v->saturate ? SIB_OVERFLOW_SATURATE : SIB_OVERFLOW_IEEE;
    for (size_t i = 0, part; i < n; i += part) {
        part = size_min(n - i, CONVERT_BLOCK);
        if (!chain_is_half(v->dtype)) {
            convert_block(source, from, i, v->dtype, to, i, part, overflow);
            continue;
        }
        convert_block(source, from, i, v->dtype, half, 0, part, overflow);
        (v->dtype == SIB_F16 ? c->kernels->widen_f16 : c->kernels->widen_bf16)(half, (float *)(void *)to + i,
                                                                               part);
    }
}

static void round_row(const chain_step *s, float *row, size_t n)
{
    uint16_t half[256];
    for (size_t i = 0, part; i < n; i += part) {
        part = size_min(n - i, sizeof half / sizeof *half);
        s->narrow(row + i, half, part);
        s->widen(half, row + i, part);
    }
}

/* Stores results that no step wrote directly. */
static void store(const runner *r, size_t first, size_t n)
{
    const chain *c = r->c;
    for (size_t i = 0; i < c->n_outputs; i++) {
        if (c->outputs[i].direct)
            continue;
        sib_dtype dtype = c->values[c->outputs[i].value].dtype;
        const void *from = r->at[c->outputs[i].value];
        size_t bytes = sib_dtype_bits(dtype) / 8;
        char *to = (char *)r->results[i] + first * bytes;
        if (from == to)
            continue;
        if (dtype == SIB_F16)
            c->kernels->narrow_f16(from, to, n);
        else if (dtype == SIB_BF16)
            c->kernels->narrow_bf16(from, to, n);
        else
            memcpy(to, from, n * bytes);
    }
}

static size_t run_block(const runner *r, size_t first, size_t n)
{
    const chain *c = r->c;
    fetch(r, first, n);
    for (size_t i = 0; i < c->n_steps; i++) {
        const chain_step *s = &c->steps[i];
        const void *in[3] = {NULL, NULL, NULL};
        for (size_t k = 0; k < 3 && s->in[k] != CHAIN_NONE; k++)
            in[k] = r->at[s->in[k]];
        void *to =
            s->row == CHAIN_NONE ? (char *)r->results[s->result] + first * s->bytes : row_at(r, s->row);
        if (s->divides) {
            size_t zero = find_zero(in[1], s->divisor_bytes, n);
            if (zero < n)
                return first + zero;
        }
        if (s->run)
            s->run(in[0], in[1], in[2], to, n);
        else
            convert(c, s, in[0], to, n);
        if (s->narrow)
            round_row(s, to, n);
        r->at[s->value] = to;
    }
    store(r, first, n);
    return CHAIN_NONE;
}

size_t chain_run(const chain *c, const void *const *operands, void *const *results, size_t first,
                 size_t count, void *scratch)
{
    const void *at[CHAIN_VALUES_MAX];
    SIB_ASSERT(c->n_values <= CHAIN_VALUES_MAX);
    SIB_ASSERT(first + count <= c->count);
    SIB_ASSERT(!chain_scratch(c, count) || scratch);
    runner r = {c, operands, results, scratch, row_bytes(c, count), at};
    size_t failed = CHAIN_NONE, block = c->flat ? count : c->block;
    begin(&r, size_min(c->block, count));
    for (size_t done = 0, n; done < count && failed == CHAIN_NONE; done += n) {
        n = size_min(block, count - done);
        if (c->stop)
            n = size_min(n, c->stop - (first + done) % c->stop);
        failed = run_block(&r, first + done, n);
    }
    if (c->streams)
        c->kernels->layout.stream_end();
    return failed;
}
