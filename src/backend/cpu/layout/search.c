/* The milli-ops lookup, in a constant list, and nonzero. */
#include "backend/cpu/call/rows.h"
#include "base/cancel.h"
#include "base/hash.h"
#include "base/str.h"

#include <string.h>

/* The bits of an element of `item` bytes. */
static inline uint64_t bits_at(const void *data, size_t item, size_t i)
{
    switch (item) {
    case 1:
        return ((const uint8_t *)data)[i];
    case 2:
        return ((const uint16_t *)data)[i];
    case 4:
        return ((const uint32_t *)data)[i];
    default:
        return ((const uint64_t *)data)[i];
    }
}

/* True for numbers of 8, 16, 32 or 64 bits. */
static bool is_plain(sib_dtype dtype)
{
    sib_dtype_kind kind = sib_dtype_get_kind(dtype);
    return kind != SIB_KIND_STRING && kind != SIB_KIND_COMPLEX && sib_dtype_bits(dtype) >= 8 &&
           dtype <= SIB_BF16;
}

/* ---- lookup -------------------------------------------------------------------------------------------- */

/* An open-addressing hash table of indices into the list, with linear probing. */
typedef struct lookup_state {
    const void *list; /* the constant's elements */
    sib_dtype dtype;
    size_t item, mask;
    int32_t places[]; /* (mask + 1), -1: free */
} lookup_state;

static bool lookup_claims(const cpu_self *self, const node_view *n)
{
    const sib_tensor *list = n->n_in == 2 ? cpu_constant(n->in[1]) : NULL;
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    (void)self;
    if (!list || !list->dense || list->count > INT32_MAX / 4 || cpu_dtype(n->in[0]) != list->dtype ||
        !n->out[0] || !cpu_dims(n, n->in[0], &rank, dims))
        return false;
    return list->dtype == SIB_STRING || sib_dtype_get_kind(list->dtype) == SIB_KIND_INT ||
           list->dtype == SIB_F32;
}

/* The same code for elements that count as equal: all NaN are equal, and so are 0 and -0. */
static inline uint64_t code_of(const lookup_state *s, const void *data, size_t i)
{
    uint64_t bits = bits_at(data, s->item, i);
    if (s->dtype != SIB_F32)
        return bits;
    uint64_t size = bits & 0x7FFFFFFF;
    return size > 0x7F800000 ? 0x7FC00000 : size ? bits : 0;
}

static inline uint64_t hash_of(const lookup_state *s, const void *data, size_t i)
{
    if (s->dtype == SIB_STRING)
        return hash_bytes(((const sib_str *)data)[i].data, ((const sib_str *)data)[i].length);
    uint64_t hash = code_of(s, data, i) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 32;
}

/* The table position of element i of data, or the free one where it would go. */
static inline size_t find(const lookup_state *s, const void *data, size_t i)
{
    size_t at = (size_t)hash_of(s, data, i) & s->mask;
    for (; s->places[at] >= 0; at = (at + 1) & s->mask) {
        size_t k = (size_t)s->places[at];
        if (s->dtype == SIB_STRING) {
            sib_str a = ((const sib_str *)data)[i], b = ((const sib_str *)s->list)[k];
            if (str_same(a, b))
                break;
        } else if (code_of(s, data, i) == code_of(s, s->list, k)) {
            break;
        }
    }
    return at;
}

static sib_code lookup_prepare(const cpu_self *self, const node_view *n, void **state, sib_error *err)
{
    const sib_tensor *list = cpu_constant(n->in[1]);
    size_t room = 16;
    (void)self;
    while (room < 2 * list->count)
        room *= 2;
    lookup_state *s = mem_alloc(1, sizeof *s + room * sizeof *s->places);
    *state = s;
    if (!s)
        return err_memory(err, sizeof *s + room * sizeof *s->places, "a table");
    *s = (lookup_state){list->data, list->dtype, dtype_stride(list->dtype), room - 1};
    memset(s->places, 0xFF, room * sizeof *s->places);
    for (size_t i = 0; i < list->count; i++) {
        size_t at = find(s, s->list, i);
        if (s->places[at] < 0) /* of equal elements the first counts */
            s->places[at] = (int32_t)i;
    }
    return SIB_OK;
}

static sib_code lookup_run(const cpu_call *c)
{
    const lookup_state *s = c->state;
    const sib_tensor *x = cpu_in(c, 0);
    sib_tensor *y = cpu_out(c, 0);
    int64_t *places = y ? (int64_t *)(void *)y->data : NULL;
    for (size_t i = 0; i < x->count && places; i++)
        places[i] = s->places[find(s, x->data, i)];
    return SIB_OK;
}

const cpu_kernel cpu_lookup = {.claims = lookup_claims, .prepare = lookup_prepare, .run = lookup_run};

/* ---- nonzero ------------------------------------------------------------------------------------------- */

static bool nonzero_claims(const cpu_self *self, const node_view *n)
{
    size_t rank;
    int64_t dims[SIB_MAX_RANK];
    (void)self;
    return n->n_in == 1 && n->n_out == 1 && n->out[0] && !cpu_dims(n, n->out[0], &rank, dims) &&
           is_plain(cpu_dtype(n->in[0]));
}

/* The bits of which any is set in a nonzero element: all but the sign of floats. */
static uint64_t bits_that_count(sib_dtype dtype)
{
    unsigned bits = sib_dtype_bits(dtype);
    uint64_t all = UINT64_MAX >> (64 - bits);
    return sib_dtype_get_kind(dtype) == SIB_KIND_FLOAT ? all >> 1 : all;
}

static inline __attribute__((always_inline)) size_t count_nonzero(const void *x, size_t item, uint64_t bits,
                                                                  size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++)
        found += (bits_at(x, item, i) & bits) != 0;
    return found;
}

/* Writes the indices of the nonzero ones among n elements to y (room for `room`); returns how many. */
static inline __attribute__((always_inline)) size_t
list_nonzero(const void *x, size_t item, uint64_t bits, size_t first, size_t n, int64_t *y, size_t room)
{
    size_t found = 0;
    for (size_t i = 0; i < n && found < room; i++) {
        y[found] = (int64_t)i;
        found += (bits_at(x, item, first + i) & bits) != 0;
    }
    return found;
}

typedef size_t (*count_rule)(const void *x, uint64_t bits, size_t n);
typedef size_t (*list_rule)(const void *x, uint64_t bits, size_t first, size_t n, int64_t *y, size_t room);

/* clang-format off */
#define OF_BYTES(item)                                                                                       \
    static size_t count_##item(const void *x, uint64_t bits, size_t n)                                       \
    {                                                                                                        \
        return count_nonzero(x, item, bits, n);                                                              \
    }                                                                                                        \
    static size_t list_##item(const void *x, uint64_t bits, size_t first, size_t n, int64_t *y, size_t room) \
    {                                                                                                        \
        return list_nonzero(x, item, bits, first, n, y, room);                                               \
    }
/* clang-format on */

OF_BYTES(1)
OF_BYTES(2)
OF_BYTES(4)
OF_BYTES(8)

static const count_rule count_rules[9] = {[1] = count_1, [2] = count_2, [4] = count_4, [8] = count_8};
static const list_rule list_rules[9] = {[1] = list_1, [2] = list_2, [4] = list_4, [8] = list_8};

/* y: (rank, n). Works line by line of the last axis, since the elements of a line share all other indices. */
static void list_all(const sib_tensor *x, size_t n, int64_t *y)
{
    size_t rank = x->rank, item = dtype_stride(x->dtype), line = (size_t)x->dims[rank - 1], found = 0;
    int64_t index[SIB_MAX_RANK] = {0};
    uint64_t bits = bits_that_count(x->dtype);
    for (size_t first = 0; found < n; first += line) {
        int64_t *last = y + (rank - 1) * n;
        size_t here = list_rules[item](x->data, bits, first, line, last + found, n - found);
        for (size_t axis = 0; axis + 1 < rank; axis++)
            for (size_t k = 0; k < here; k++)
                y[axis * n + found + k] = index[axis];
        found += here;
        for (size_t axis = rank - 1; axis-- > 0;) {
            if (++index[axis] < x->dims[axis])
                break;
            index[axis] = 0;
        }
    }
}

static sib_code nonzero_run(const cpu_call *c)
{
    const sib_tensor *x = cpu_in(c, 0);
    size_t item = dtype_stride(x->dtype), n = count_rules[item](x->data, bits_that_count(x->dtype), x->count);
    int64_t dims[2] = {(int64_t)x->rank, (int64_t)n};
    sib_tensor *made = NULL;
    if (!cpu_wants(c, 0))
        return SIB_OK;
    sib_code code = tensor_create_raw(SIB_I64, 2, dims, &made, c->err);
    if (code != SIB_OK)
        return code;
    if (n && x->rank)
        list_all(x, n, (int64_t *)(void *)made->data);
    return value_take_tensor(made, &c->out[0]->value, c->err);
}

const cpu_kernel cpu_nonzero = {.claims = nonzero_claims, .run = nonzero_run};
