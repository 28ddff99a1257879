#include "server/values/slice.h"

#include "server/http/state.h"

#include <ctype.h>
#include <string.h>

#define MAX_DIGITS 18

/* What is taken of an axis: elements begin + i * step. */
typedef struct axis {
    int64_t begin, count, step;
    bool dropped; /* an index: the axis is not in the result */
} axis;

/* ---- The text ---- */

/* An integer, where one stands there. Returns false where it has too many digits. */
static bool read_number(const char **at, bool *there, int64_t *out)
{
    while (isspace((unsigned char)**at))
        ++*at;
    bool negative = **at == '-';
    const char *digits = *at + (negative || **at == '+');
    size_t n = strspn(digits, "0123456789");
    *there = n > 0;
    *out = 0;
    if (!n)
        return true;
    for (size_t i = 0; i < n && n <= MAX_DIGITS; i++)
        *out = 10 * *out + (digits[i] - '0');
    *out = negative ? -*out : *out;
    *at = digits + n;
    while (isspace((unsigned char)**at))
        ++*at;
    return n <= MAX_DIGITS;
}

/* A bound of a slice over n elements, as Python cuts it. */
static int64_t bound(int64_t at, int64_t n, bool backwards)
{
    int64_t low = backwards ? -1 : 0, high = backwards ? n - 1 : n;
    at = at < 0 ? at + n : at;
    return at < low ? low : at > high ? high : at;
}

/* "begin:end:step" of n elements, or an index. Returns what is wrong with it, or NULL. */
static const char *read_axis(const char **at, int64_t n, axis *out)
{
    bool has_begin, has_end = false, has_step = false;
    int64_t begin, end = 0, step = 1;
    if (!read_number(at, &has_begin, &begin))
        return "has a number of more than 18 digits";
    if (**at != ':') {
        begin = begin < 0 ? begin + n : begin;
        *out = (axis){begin, 1, 1, true};
        return !has_begin                ? "is no slice such as '0:2,:,5'"
               : begin < 0 || begin >= n ? "has an index out of range"
                                         : NULL;
    }
    ++*at;
    bool fits = read_number(at, &has_end, &end);
    if (fits && **at == ':') {
        ++*at;
        fits = read_number(at, &has_step, &step);
        step = has_step ? step : 1;
    }
    if (!fits)
        return "has a number of more than 18 digits";
    if (!step)
        return "has a step of 0";
    begin = has_begin ? bound(begin, n, step < 0) : step < 0 ? n - 1 : 0;
    end = has_end ? bound(end, n, step < 0) : step < 0 ? -1 : n;
    int64_t span = step < 0 ? begin - end : end - begin, size = step < 0 ? -step : step;
    int64_t count = span > 0 ? (span - 1) / size + 1 : 0;
    *out = (axis){count ? begin : 0, count, count > 1 ? step : 1, false};
    return NULL;
}

/* Number of items, without an ellipsis. */
static size_t count_items(const char *text)
{
    size_t n = 1, ellipses = strstr(text, "...") != NULL;
    for (const char *at = text; (at = strchr(at, ',')); at++)
        n++;
    return n - ellipses;
}

static const char *read_slice(const char *text, size_t rank, const int64_t *dims, axis *axes)
{
    size_t n = count_items(text), k = 0;
    bool ellipsis = false;
    if (n > rank)
        return "has more items than the value has axes";
    for (const char *at = text;; at++) {
        const char *why = NULL;
        while (isspace((unsigned char)*at))
            at++;
        if (!strncmp(at, "...", 3)) {
            if (ellipsis)
                return "has more than one ellipsis";
            ellipsis = true;
            at += 3;
            for (size_t left = rank - n; left; left--, k++)
                axes[k] = (axis){0, dims[k], 1, false};
        } else if (k == rank) {
            why = "has more items than the value has axes";
        } else {
            why = read_axis(&at, dims[k], &axes[k]);
            k++;
        }
        if (why || (*at && *at != ','))
            return why ? why : "is no slice such as '0:2,:,5'";
        if (!*at)
            break;
    }
    for (; k < rank; k++)
        axes[k] = (axis){0, dims[k], 1, false};
    return NULL;
}

/* ---- The elements ---- */

static uint64_t count_of(size_t rank, const axis *axes)
{
    uint64_t n = 1; /* at most as many as the tensor has */
    for (size_t k = 0; k < rank; k++)
        n *= (uint64_t)axes[k].count;
    return n;
}

static sib_code too_much(uint64_t bytes, uint64_t max_bytes, sib_error *err)
{
    return server_fail(
        err, SIB_ERR_SIZE,
        "the slice takes %llu bytes together that are apart, more than %llu: ask for smaller ones",
        (unsigned long long)bytes, (unsigned long long)max_bytes);
}

/* Elements below a byte, one by one. */
static sib_code gather_packed(const sib_tensor *t, const axis *axes, uint64_t max_bytes, sib_tensor **out,
                              sib_error *err)
{
    size_t rank = sib_tensor_rank(t), bits = sib_dtype_bits(sib_tensor_dtype(t));
    const int64_t *dims = sib_tensor_dims(t);
    int64_t counts[SIB_MAX_RANK], strides[SIB_MAX_RANK + 1] = {0}, index[SIB_MAX_RANK] = {0};
    uint64_t n = count_of(rank, axes);
    if (n > max_bytes)
        return too_much(n, max_bytes, err);
    strides[rank] = 1;
    int64_t at = 0;
    for (size_t k = rank; k-- > 0;) {
        int64_t size = k + 1 < rank ? dims[k + 1] : 1;
        strides[k] = strides[k + 1] * size;
        counts[k] = axes[k].count;
        at += axes[k].begin * strides[k];
    }
    sib_code code = sib_tensor_create(sib_tensor_dtype(t), rank, counts, out, err);
    if (code != SIB_OK || !n)
        return code;
    const unsigned char *from = sib_tensor_data(t);
    unsigned char *to = sib_tensor_data(*out), mask = (unsigned char)((1u << bits) - 1);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t bit = (uint64_t)at * bits, place = i * bits;
        to[place / 8] |= (unsigned char)((from[bit / 8] >> bit % 8 & mask) << place % 8);
        for (size_t k = rank; k-- > 0;) {
            at += axes[k].step * strides[k];
            if (++index[k] < counts[k])
                break;
            at -= counts[k] * axes[k].step * strides[k];
            index[k] = 0;
        }
    }
    return SIB_OK;
}

/* Replaces *t by what `code` says was made of it. */
static sib_code replace(sib_tensor **t, sib_tensor *by, sib_code code)
{
    sib_tensor_free(t);
    *t = by;
    return code;
}

static sib_code view_axes(const axis *axes, sib_tensor **t, sib_error *err)
{
    sib_code code = SIB_OK;
    for (size_t k = 0; code == SIB_OK && k < sib_tensor_rank(*t); k++) {
        sib_tensor *view = NULL;
        if (axes[k].count == sib_tensor_dims(*t)[k] && axes[k].step == 1)
            continue;
        code = sib_tensor_slice(*t, (int64_t)k, axes[k].begin, axes[k].count, axes[k].step, &view, err);
        code = replace(t, view, code);
    }
    return code;
}

static sib_code make_dense(uint64_t max_bytes, sib_tensor **t, sib_error *err)
{
    uint64_t bytes = sib_tensor_count(*t) * (sib_dtype_bits(sib_tensor_dtype(*t)) / 8);
    sib_tensor *copy = NULL;
    if (sib_tensor_is_dense(*t))
        return SIB_OK;
    if (bytes > max_bytes)
        return too_much(bytes, max_bytes, err);
    sib_code code = sib_tensor_copy(*t, &copy, err);
    return replace(t, copy, code);
}

static void release_view(void *view)
{
    sib_tensor *t = view;
    sib_tensor_free(&t);
}

/* Takes out the axes that have an index. */
static sib_code drop_axes(const axis *axes, sib_tensor **t, sib_error *err)
{
    int64_t dims[SIB_MAX_RANK], strides[SIB_MAX_RANK];
    size_t rank = 0, all = sib_tensor_rank(*t);
    sib_tensor *made = NULL;
    for (size_t k = 0; k < all; k++) {
        if (axes[k].dropped)
            continue;
        dims[rank] = sib_tensor_dims(*t)[k];
        strides[rank++] = sib_tensor_strides(*t)[k];
    }
    if (rank == all)
        return SIB_OK;
    sib_code code;
    if (sib_tensor_is_dense(*t)) {
        code = sib_tensor_reshape(*t, rank, dims, &made, err);
        return replace(t, made, code);
    }
    code = sib_tensor_wrap(sib_tensor_dtype(*t), rank, dims, strides, sib_tensor_data(*t), release_view, *t,
                           &made, err);
    if (code == SIB_OK)
        *t = made; /* which frees the other with itself */
    return code;
}

sib_code slice_take(const sib_tensor *t, const char *text, bool dense, uint64_t max_bytes, sib_tensor **out,
                    sib_error *err)
{
    axis axes[SIB_MAX_RANK];
    size_t rank = sib_tensor_rank(t);
    const int64_t *dims = sib_tensor_dims(t);
    bool everything = !text || !*text;
    const char *why = everything ? NULL : read_slice(text, rank, dims, axes);
    *out = NULL;
    if (why)
        return server_fail(err, SIB_ERR_ARGUMENT, "the slice '%.80s' of %zu axes %s", text, rank, why);
    sib_code code;
    if (!everything && sib_dtype_bits(sib_tensor_dtype(t)) < 8)
        code = gather_packed(t, axes, max_bytes, out, err);
    else
        code = sib_tensor_broadcast(t, rank, dims, out, err);
    if (code == SIB_OK && !everything && sib_dtype_bits(sib_tensor_dtype(t)) >= 8)
        code = view_axes(axes, out, err);
    if (code == SIB_OK && dense)
        code = make_dense(max_bytes, out, err);
    if (code == SIB_OK && !everything)
        code = drop_axes(axes, out, err);
    if (code != SIB_OK)
        sib_tensor_free(out);
    return code;
}
