/* Each element becomes an item: an integer that orders as the element does, followed by its index. */
#include "kernel/sort/sort.h"
#include "base/cancel.h"
#include "base/size.h"
#include "tensor/dtype.h"

#include <string.h>

#define SIGN32 UINT32_C(0x80000000)
#define SIGN64 (UINT64_C(1) << 63)

#define PART ((size_t)1 << 16) /* items between two looks at the cancel */

/* for (size_t i = first; i < n; i++), which ends early where the cancel is set. */
#define FOR_PARTS(cancel, i, first, n)                                                                       \
    for (size_t i##_from = (first), i##_to; i##_from < (n) && !cancel_is_set(cancel); i##_from = i##_to)     \
        for (size_t i = (i##_to = size_min(i##_from + PART, (n)), i##_from); i < i##_to; i++)

#define FEW 24 /* max k for which items are inserted into a sorted list */

/* Types of up to 32 bits: the code in the high half, the index in the low half. */
#define ITEM        uint64_t
#define LESS(a, b)  ((a) < (b))
#define DIGIT(a, i) ((a) >> (32 + 8 * (i)) & 255)
#define DIGITS      4
#define NAMED(x)    short_##x
#include "kernel/sort/sort_items.inc.h"

typedef struct long_item {
    uint64_t code;
    uint64_t place;
} long_item;

#define ITEM        long_item
#define LESS(a, b)  ((a).code != (b).code ? (a).code < (b).code : (a).place < (b).place)
#define DIGIT(a, i) ((a).code >> (8 * (i)) & 255)
#define DIGITS      8
#define NAMED(x)    long_##x
#include "kernel/sort/sort_items.inc.h"

/* ---- Codes --------------------------------------------------------------------------------------------- */

static inline uint32_t code_f32(uint32_t bits)
{
    uint32_t size = bits & ~SIGN32, code = bits & SIGN32 ? ~bits : bits | SIGN32;
    return size > 0x7F800000 ? UINT32_MAX : size == 0 ? SIGN32 : code;
}

/* 16-bit floats; infinity is at `top`. */
static inline uint32_t code_half(uint32_t bits, uint32_t top)
{
    uint32_t size = bits & 0x7FFF, code = bits & 0x8000 ? ~bits & 0xFFFF : bits | 0x8000;
    return size > top ? UINT32_MAX : size == 0 ? 0x8000 : code;
}

static inline uint64_t code_f64(uint64_t bits)
{
    uint64_t size = bits & ~SIGN64, code = bits & SIGN64 ? ~bits : bits | SIGN64;
    return size > UINT64_C(0x7FF0000000000000) ? UINT64_MAX : size == 0 ? SIGN64 : code;
}

/* clang-format off */
#define EACH(type, item)                                                                                     \
    FOR_PARTS (s->cancel, i, 0, n) {                                                                         \
        type v = ((const type *)x)[i * s->step];                                                             \
        items[i] = item;                                                                                     \
    }                                                                                                        \
    break
#define SHORT_ITEM(formula) ((uint64_t)((uint32_t)(formula) ^ flip) << 32 | i)
#define LONG_ITEM(formula)  ((long_item){(uint64_t)(formula) ^ flip, i})
/* clang-format on */

static void short_items(const sort_lines *s, const void *x, uint64_t *items)
{
    size_t n = s->n;
    uint32_t flip = s->descending ? UINT32_MAX : 0;
    switch (s->dtype) {
    case SIB_F32:
        EACH(uint32_t, SHORT_ITEM(code_f32(v)));
    case SIB_F16:
        EACH(uint16_t, SHORT_ITEM(code_half(v, 0x7C00)));
    case SIB_BF16:
        EACH(uint16_t, SHORT_ITEM(code_half(v, 0x7F80)));
    case SIB_U8:
    case SIB_BOOL:
        EACH(uint8_t, SHORT_ITEM(v));
    case SIB_I8:
        EACH(int8_t, SHORT_ITEM((uint32_t)(int32_t)v ^ SIGN32));
    case SIB_U16:
        EACH(uint16_t, SHORT_ITEM(v));
    case SIB_I16:
        EACH(int16_t, SHORT_ITEM((uint32_t)(int32_t)v ^ SIGN32));
    case SIB_I32:
        EACH(int32_t, SHORT_ITEM((uint32_t)v ^ SIGN32));
    default:
        EACH(uint32_t, SHORT_ITEM(v));
    }
}

static void long_items(const sort_lines *s, const void *x, long_item *items)
{
    size_t n = s->n;
    uint64_t flip = s->descending ? UINT64_MAX : 0;
    switch (s->dtype) {
    case SIB_F64:
        EACH(uint64_t, LONG_ITEM(code_f64(v)));
    case SIB_I64:
        EACH(int64_t, LONG_ITEM((uint64_t)v ^ SIGN64));
    default:
        EACH(uint64_t, LONG_ITEM(v));
    }
}

/* ---- Lines --------------------------------------------------------------------------------------------- */

static bool is_long(sib_dtype dtype)
{
    return dtype == SIB_F64 || dtype == SIB_I64 || dtype == SIB_U64;
}

bool sort_takes(sib_dtype dtype)
{
    switch (dtype) {
    case SIB_F32:
    case SIB_F16:
    case SIB_BF16:
    case SIB_F64:
    case SIB_BOOL:
    case SIB_U8:
    case SIB_I8:
    case SIB_U16:
    case SIB_I16:
    case SIB_U32:
    case SIB_I32:
    case SIB_U64:
    case SIB_I64:
        return true;
    default:
        return false;
    }
}

size_t sort_scratch(const sort_lines *s)
{
    return 2 * s->n * (is_long(s->dtype) ? sizeof(long_item) : sizeof(uint64_t));
}

static void copy_item(void *to, const void *from, size_t i, size_t k, size_t item)
{
    switch (item) {
    case 1:
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[k];
        break;
    case 2:
        ((uint16_t *)to)[i] = ((const uint16_t *)from)[k];
        break;
    case 4:
        ((uint32_t *)to)[i] = ((const uint32_t *)from)[k];
        break;
    default:
        ((uint64_t *)to)[i] = ((const uint64_t *)from)[k];
    }
}

/* The first k of a float32 line: one comparison rules out most elements. items: (k) */
static inline void few_of_f32(const sort_lines *s, const float *x, uint64_t *items, bool descending)
{
    sort_lines start = *s;
    start.n = s->k;
    short_items(&start, x, items);
    if (cancel_is_set(s->cancel))
        return;
    short_insert_all(items, s->k);
    float last = x[(items[s->k - 1] & UINT32_MAX) * s->step];
    FOR_PARTS (s->cancel, i, s->k, s->n) {
        float v = x[i * s->step];
        if (descending ? v <= last : v >= last)
            continue;
        uint32_t bits;
        memcpy(&bits, &v, sizeof bits);
        uint64_t item = (uint64_t)(code_f32(bits) ^ (descending ? UINT32_MAX : 0)) << 32 | i;
        size_t at = s->k - 1;
        if (item >= items[at]) /* only for NaN */
            continue;
        for (; at > 0 && item < items[at - 1]; at--)
            items[at] = items[at - 1];
        items[at] = item;
        last = x[(items[s->k - 1] & UINT32_MAX) * s->step];
    }
}

void sort_line(const sort_lines *s, const void *x, void *values, int64_t *indices, void *scratch)
{
    size_t item = dtype_stride(s->dtype);
    bool wide = is_long(s->dtype);
    uint64_t *small = scratch;
    long_item *large = scratch;
    if (wide) {
        long_items(s, x, large);
        long_first(large, s->n, s->k, large + s->n, s->cancel);
    } else if (s->dtype == SIB_F32 && s->k <= FEW && s->k <= s->n / 4) {
        if (s->descending)
            few_of_f32(s, x, small, true);
        else
            few_of_f32(s, x, small, false);
    } else {
        short_items(s, x, small);
        short_first(small, s->n, s->k, small + s->n, s->cancel);
    }
    FOR_PARTS (s->cancel, i, 0, s->k) {
        size_t place = wide ? (size_t)large[i].place : (size_t)(small[i] & UINT32_MAX);
        if (values)
            copy_item(values, x, i * s->step, place * s->step, item);
        if (indices)
            indices[i * s->step] = (int64_t)place;
    }
}
