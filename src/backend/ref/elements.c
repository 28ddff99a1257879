#include "backend/ref/elements.h"

#include "base/size.h"
#include "tensor/convert_fast.h"
#include "tensor/dtype.h"

#include <string.h>

ref_path ref_path_of(sib_dtype dtype)
{
    static const ref_path paths[] = {
        [SIB_KIND_FLOAT] = REF_PATH_DOUBLE,    [SIB_KIND_INT] = REF_PATH_INT,
        [SIB_KIND_UINT] = REF_PATH_UINT,       [SIB_KIND_BOOL] = REF_PATH_BOOL,
        [SIB_KIND_COMPLEX] = REF_PATH_COMPLEX, [SIB_KIND_STRING] = REF_PATH_STRING,
    };
    return paths[dtype_info(dtype)->kind];
}

/* ---- Blocks ------------------------------------------------------------------------------------------ */

static const char *bytes_at(sib_dtype dtype, const void *src, uint64_t first)
{
    return (const char *)src + first * dtype_stride(dtype);
}

void ref_load_doubles(sib_dtype dtype, const void *src, uint64_t first, size_t n, double *out)
{
    convert_fast fast = convert_fast_of(dtype, SIB_F64), half = convert_fast_of(dtype, SIB_F32);
    if (dtype == SIB_F64) {
        if (n > 0)
            memcpy(out, bytes_at(dtype, src, first), n * sizeof *out);
        return;
    }
    if (fast) {
        fast(bytes_at(dtype, src, first), out, n);
        return;
    }
    for (size_t done = 0; done < n;) {
        size_t part = size_min(n - done, REF_BLOCK);
        float exact[REF_BLOCK]; /* float16 and bfloat16 convert to float32 exactly */
        if (half) {
            half(bytes_at(dtype, src, first + done), exact, part);
            convert_fast_of(SIB_F32, SIB_F64)(exact, out + done, part);
        } else {
            convert_to_doubles(dtype, src, first + done, part, CONVERT_REAL_PART, out + done);
        }
        done += part;
    }
}

/* One loop for every width and sign: callers pass `bytes` and `is_signed` as constants. */
static inline __attribute__((always_inline)) void widen(size_t bytes, bool is_signed, const char *src,
                                                        size_t n, int64_t *out)
{
    unsigned unused = 64 - 8 * (unsigned)bytes;
    for (size_t i = 0; i < n; i++) {
        uint64_t code = 0;
        memcpy(&code, src + i * bytes, bytes);
        out[i] = is_signed ? (int64_t)(code << unused) >> unused : (int64_t)code;
    }
}

static inline __attribute__((always_inline)) void narrow(size_t bytes, const uint64_t *in, size_t n,
                                                         char *dst)
{
    for (size_t i = 0; i < n; i++)
        memcpy(dst + i * bytes, &in[i], bytes);
}

void ref_load_ints(sib_dtype dtype, const void *src, uint64_t first, size_t n, int64_t *out)
{
    switch (dtype) {
    case SIB_I64:
    case SIB_U64:
        widen(8, false, bytes_at(dtype, src, first), n, out);
        return;
    case SIB_I32:
        widen(4, true, bytes_at(dtype, src, first), n, out);
        return;
    case SIB_U32:
        widen(4, false, bytes_at(dtype, src, first), n, out);
        return;
    case SIB_I8:
        widen(1, true, bytes_at(dtype, src, first), n, out);
        return;
    case SIB_U8:
        widen(1, false, bytes_at(dtype, src, first), n, out);
        return;
    default:
        for (size_t done = 0; done < n;) {
            size_t part = size_min(n - done, REF_BLOCK);
            convert_block(dtype, src, first + done, SIB_I64, out, done, part, SIB_OVERFLOW_IEEE);
            done += part;
        }
    }
}

/* Truncates integers to a byte-wide integer or bool; returns false for other types. */
static bool store_ints(const uint64_t *in, sib_dtype dtype, char *dst, size_t n)
{
    switch (dtype) {
    case SIB_I64:
    case SIB_U64:
        narrow(8, in, n, dst);
        return true;
    case SIB_I32:
    case SIB_U32:
        narrow(4, in, n, dst);
        return true;
    case SIB_I8:
    case SIB_U8:
        narrow(1, in, n, dst);
        return true;
    case SIB_BOOL:
        for (size_t i = 0; i < n; i++)
            dst[i] = in[i] != 0;
        return true;
    default:
        return false;
    }
}

void ref_load_complex(sib_dtype dtype, const void *src, uint64_t first, size_t n, double (*out)[2])
{
    for (size_t done = 0; done < n;) {
        size_t part = size_min(n - done, REF_BLOCK);
        convert_block(dtype, src, first + done, SIB_C128, out, done, part, SIB_OVERFLOW_IEEE);
        done += part;
    }
}

void ref_load(sib_dtype dtype, const void *src, uint64_t first, size_t n, ref_block *block, size_t at)
{
    switch (ref_path_of(dtype)) {
    case REF_PATH_DOUBLE:
        ref_load_doubles(dtype, src, first, n, block->f + at);
        break;
    case REF_PATH_COMPLEX:
        ref_load_complex(dtype, src, first, n, block->c + at);
        break;
    default:
        ref_load_ints(dtype, src, first, n, block->i + at);
    }
}

void ref_store(ref_path path, const ref_block *block, sib_dtype dtype, void *dst, uint64_t first, size_t n)
{
    static const sib_dtype held[REF_PATHS] = {SIB_F64, SIB_I64, SIB_U64, SIB_U64, SIB_C128, SIB_STRING};
    convert_fast fast = convert_fast_of(held[path], dtype);
    char *to = (char *)dst + first * dtype_stride(dtype);
    bool whole = path == REF_PATH_INT || path == REF_PATH_UINT || path == REF_PATH_BOOL;
    if (fast)
        fast(block, to, n);
    else if (whole && store_ints(block->u, dtype, to, n))
        return;
    else if (held[path] == dtype && n > 0)
        memcpy(to, block, n * dtype_stride(dtype));
    else
        convert_block(held[path], block, 0, dtype, dst, first, n, SIB_OVERFLOW_IEEE);
}

/* ---- Broadcasting -------------------------------------------------------------------------------------- */

void ref_walk_begin(ref_walk *w, const sib_tensor *t, size_t rank, const int64_t *dims)
{
    int64_t stride = 1, strides[SIB_MAX_RANK];
    size_t missing = rank - t->rank;
    for (size_t i = rank; i-- > 0;) {
        int64_t own = i < missing ? 1 : t->dims[i - missing];
        strides[i] = own == 1 ? 0 : stride;
        stride *= own;
    }
    *w = (ref_walk){0};
    for (size_t i = 0; i < rank; i++) {
        size_t last = w->rank - 1;
        if (dims[i] == 1)
            continue;
        if (w->rank > 0 && w->strides[last] == strides[i] * dims[i]) {
            w->dims[last] *= dims[i];
            w->strides[last] = strides[i];
        } else {
            w->dims[w->rank] = dims[i];
            w->strides[w->rank++] = strides[i];
        }
    }
    if (w->rank == 0) {
        w->rank = 1;
        w->dims[0] = 1;
    }
}

/* Past the end of the last axis: advances the index of the axes before it. */
static void carry(ref_walk *w)
{
    for (size_t axis = w->rank - 1; axis > 0 && w->index[axis] == w->dims[axis]; axis--) {
        w->at -= (uint64_t)(w->strides[axis] * w->dims[axis]);
        w->index[axis] = 0;
        w->index[axis - 1]++;
        w->at += (uint64_t)w->strides[axis - 1];
    }
}

ref_run ref_walk_run(ref_walk *w, size_t max)
{
    size_t last = w->rank - 1;
    uint64_t left = (uint64_t)(w->dims[last] - w->index[last]);
    ref_run run = {w->at, left < max ? (size_t)left : max, w->strides[last] == 0};
    w->index[last] += (int64_t)run.n;
    w->at += (uint64_t)w->strides[last] * run.n;
    if (run.n == left)
        carry(w);
    return run;
}

static void repeat(ref_path path, ref_block *block, size_t at, size_t n)
{
    for (size_t i = at + 1; i < at + n; i++) {
        if (path == REF_PATH_COMPLEX)
            memcpy(block->c[i], block->c[at], sizeof block->c[i]);
        else
            block->u[i] = block->u[at];
    }
}

void ref_walk_load(ref_walk *w, const sib_tensor *t, size_t n, ref_block *block)
{
    ref_path path = ref_path_of(t->dtype);
    for (size_t done = 0; done < n;) {
        ref_run run = ref_walk_run(w, n - done);
        ref_load(t->dtype, t->data, run.first, run.repeats ? 1 : run.n, block, done);
        if (run.repeats)
            repeat(path, block, done, run.n);
        done += run.n;
    }
}

void ref_walk_places(ref_walk *w, size_t n, uint64_t *places)
{
    for (size_t done = 0; done < n;) {
        ref_run run = ref_walk_run(w, n - done);
        for (size_t i = 0; i < run.n; i++)
            places[done + i] = run.first + (run.repeats ? 0 : i);
        done += run.n;
    }
}
