/* Layouts of operands, and reading them into rows. */
#include "kernel/chain/chain_internal.h"
#include "tensor/dtype.h"

#include <string.h>

/* ---- Layouts ------------------------------------------------------------------------------------------ */

/* Writes the axes to l, outermost first: axes of size 1 are dropped, contiguous ones merged. */
static void merge_axes(size_t n, const int64_t *dims, const int64_t *strides, chain_layout *l)
{
    l->rank = 0;
    for (size_t i = n; i-- > 0;) {
        int64_t *last = l->rank ? &l->dims[l->rank - 1] : NULL;
        if (dims[i] == 1)
            continue;
        if (last && strides[i] == l->strides[l->rank - 1] * *last) {
            *last *= dims[i];
            continue;
        }
        l->dims[l->rank] = dims[i];
        l->strides[l->rank++] = strides[i];
    }
    for (size_t i = 0; i < l->rank / 2; i++) {
        size_t j = l->rank - 1 - i;
        int64_t dim = l->dims[i], stride = l->strides[i];
        l->dims[i] = l->dims[j];
        l->strides[i] = l->strides[j];
        l->dims[j] = dim;
        l->strides[j] = stride;
    }
}

static void name_place(chain_layout *l)
{
    bool two = l->rank == 2;
    l->place = CHAIN_GENERAL;
    if (l->rank == 0 || (l->rank == 1 && l->strides[0] == 0))
        l->place = CHAIN_SCALAR;
    else if (l->rank == 1)
        l->place = CHAIN_FLAT;
    else if (two && l->strides[0] == 0 && l->strides[1] == 1)
        l->place = CHAIN_PERIODIC;
    else if (two && l->strides[0] == 1 && l->strides[1] == 0)
        l->place = CHAIN_REPEATED;
    l->period = two ? (size_t)l->dims[1] : 0;
}

bool chain_layout_of(size_t rank, const int64_t *dims, size_t out_rank, const int64_t *out_dims,
                     chain_layout *out)
{
    int64_t strides[SIB_MAX_RANK], stride = 1;
    if (rank > out_rank)
        return false;
    for (size_t i = 0; i < out_rank; i++) {
        size_t axis = out_rank - 1 - i;
        int64_t size = i < rank ? dims[rank - 1 - i] : 1;
        if (size != 1 && size != out_dims[axis])
            return false;
        strides[axis] = size == 1 ? 0 : stride;
        stride *= size;
    }
    merge_axes(out_rank, out_dims, strides, out);
    name_place(out);
    return true;
}

/* ---- Moving elements ---------------------------------------------------------------------------------- */

/* n copies of an element. */
static void repeat(const void *element, size_t bytes, void *to, size_t n)
{
    if (bytes == 4) {
        uint32_t x, *z = to;
        memcpy(&x, element, sizeof x);
        for (size_t i = 0; i < n; i++)
            z[i] = x;
    } else if (bytes == 8) {
        uint64_t x, *z = to;
        memcpy(&x, element, sizeof x);
        for (size_t i = 0; i < n; i++)
            z[i] = x;
    } else if (bytes == 2) {
        uint16_t x, *z = to;
        memcpy(&x, element, sizeof x);
        for (size_t i = 0; i < n; i++)
            z[i] = x;
    } else {
        memset(to, *(const unsigned char *)element, n);
    }
}

/* Copies n elements that are `step` apart to contiguous memory. */
static void gather(const char *from, size_t bytes, ptrdiff_t step, char *to, size_t n)
{
    if (step == 1) {
        memcpy(to, from, n * bytes);
        return;
    }
    if (step == 0) {
        repeat(from, bytes, to, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * bytes, from + (ptrdiff_t)i * step * (ptrdiff_t)bytes, bytes);
}

static void gather_general(const chain_layout *l, size_t bytes, const char *memory, char *to, size_t begin,
                           size_t n)
{
    int64_t index[SIB_MAX_RANK], at = 0, rest = (int64_t)begin;
    size_t last = l->rank - 1;
    for (size_t i = l->rank; i-- > 0;) {
        index[i] = rest % l->dims[i];
        rest /= l->dims[i];
        at += index[i] * l->strides[i];
    }
    for (size_t part; n; n -= part, to += part * bytes) {
        part = size_min(n, (size_t)(l->dims[last] - index[last]));
        gather(memory + at * (int64_t)bytes, bytes, l->strides[last], to, part);
        index[last] += (int64_t)part;
        at += (int64_t)part * l->strides[last];
        for (size_t i = last; i > 0 && index[i] == l->dims[i]; i--) {
            index[i] = 0;
            at += l->strides[i - 1] - l->dims[i] * l->strides[i];
            index[i - 1]++;
        }
    }
}

static void gather_repeated(size_t period, size_t bytes, const char *memory, char *to, size_t begin, size_t n)
{
    size_t item = begin / period, within = begin % period;
    for (size_t part; n; n -= part, to += part * bytes, item++, within = 0) {
        part = size_min(n, period - within);
        repeat(memory + item * bytes, bytes, to, part);
    }
}

static void gather_periodic(size_t period, size_t bytes, const char *memory, char *to, size_t begin, size_t n)
{
    for (size_t within = begin % period, part; n; n -= part, to += part * bytes, within = 0) {
        part = size_min(n, period - within);
        memcpy(to, memory + within * bytes, part * bytes);
    }
}

/* ---- Rows ---------------------------------------------------------------------------------------------- */

static void widen(const chain *c, sib_dtype dtype, const void *from, void *row, size_t n)
{
    (dtype == SIB_F16 ? c->kernels->widen_f16 : c->kernels->widen_bf16)(from, row, n);
}

size_t chain_run_length(const chain_layout *l)
{
    return l->rank ? (size_t)l->dims[l->rank - 1] : 1;
}

/* The index in memory of the element for a place of the result. */
static size_t offset_of(const chain_layout *l, size_t place)
{
    size_t at = 0;
    if (l->place == CHAIN_FLAT)
        return place;
    for (size_t i = l->rank; i-- > 0; place /= (size_t)l->dims[i])
        at += place % (size_t)l->dims[i] * (size_t)l->strides[i];
    return at;
}

static void gather_any(const chain_layout *l, size_t bytes, const char *memory, char *to, size_t begin,
                       size_t n)
{
    if (l->place == CHAIN_PERIODIC)
        gather_periodic(l->period, bytes, memory, to, begin, n);
    else if (l->place == CHAIN_REPEATED)
        gather_repeated(l->period, bytes, memory, to, begin, n);
    else
        gather_general(l, bytes, memory, to, begin, n);
}

const void *chain_fetch(const chain *c, const chain_memory *m, const void *memory, void *row, size_t begin,
                        size_t n)
{
    const chain_layout *l = &m->layout;
    bool half = chain_is_half(m->dtype), flat = l->place == CHAIN_FLAT || m->within;
    if (m->tiled)
        return (const char *)row + begin % l->period * chain_bytes(m->dtype);
    if (flat) {
        const char *from = (const char *)memory + offset_of(l, begin) * m->bytes;
        bool single = chain_is_single(m);
        if (half)
            widen(c, m->dtype, from, row, single ? 1 : n);
        if (single && m->filled)
            repeat(half ? row : from, chain_bytes(m->dtype), row, n);
        return half || (single && m->filled) ? row : from;
    }
    /* 16-bit floats are read into the second half of the row's bytes and widened into the entire row */
    char *raw = (char *)row + (half ? n * m->bytes : 0);
    gather_any(l, m->bytes, memory, raw, begin, n);
    if (half)
        widen(c, m->dtype, raw, row, n);
    return row;
}

void chain_fill(const chain *c, const chain_memory *m, const void *memory, void *row, size_t n)
{
    size_t bytes = chain_bytes(m->dtype), period = m->tiled ? m->layout.period : 1;
    char *to = row;
    if (chain_is_half(m->dtype))
        widen(c, m->dtype, memory, to, period);
    else
        memcpy(to, memory, period * bytes);
    if (!m->tiled)
        repeat(to, bytes, to, n);
    for (size_t done = period, part; m->tiled && done < n + period; done += part) {
        part = size_min(done, n + period - done);
        memcpy(to + done * bytes, to, part * bytes);
    }
}
