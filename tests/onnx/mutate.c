#include "mutate.h"

#include <math.h>

/* A field of the file: offsets of its tag, of its payload (after its length, if it has one) and of its
   end. */
typedef struct field {
    size_t tag, payload, end, parent;
    unsigned wire;
} field;

#define MAX_FIELDS 20000
#define MAX_DEPTH  12
/* A repeated field, and longer lengths of the fields around it. */
#define MAX_GROWTH (4096 + 10 * MAX_DEPTH)
#define NO_PARENT  SIZE_MAX

typedef struct walk {
    const uint8_t *data;
    size_t n_fields;
    field fields[MAX_FIELDS];
} walk;

static bool get_varint(const uint8_t *data, size_t end, size_t *at, uint64_t *v)
{
    *v = 0;
    for (unsigned shift = 0; *at < end && shift < 70; shift += 7) {
        uint8_t byte = data[(*at)++];
        if (shift < 64)
            *v |= (uint64_t)(byte & 0x7F) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* Reads a field at *at; returns false if there is no valid one. */
static bool get_field(const walk *w, size_t end, size_t *at, field *f)
{
    uint64_t tag, v;
    *f = (field){.tag = *at};
    if (!get_varint(w->data, end, at, &tag) || tag >> 3 == 0 || tag >> 3 > 100)
        return false;
    f->wire = tag & 7;
    f->payload = *at;
    if (f->wire == 0 && !get_varint(w->data, end, at, &v))
        return false;
    if (f->wire == 2) {
        if (!get_varint(w->data, end, at, &v) || v > end - *at)
            return false;
        f->payload = *at;
        *at += (size_t)v;
    } else if (f->wire == 1 || f->wire == 5) {
        size_t n = f->wire == 1 ? 8 : 4;
        if (n > end - *at)
            return false;
        *at += n;
    } else if (f->wire != 0) {
        return false;
    }
    f->end = *at;
    return true;
}

/* Returns true if the bytes are a sequence of fields. */
static bool is_message(const walk *w, size_t begin, size_t end)
{
    field f;
    size_t at = begin;
    while (at < end)
        if (!get_field(w, end, &at, &f))
            return false;
    return end > begin;
}

/* Lists the fields of a message and of whatever looks like a message in it. */
static void list_fields(walk *w, size_t begin, size_t end, size_t parent, int depth)
{
    size_t at = begin;
    while (at < end && w->n_fields < MAX_FIELDS) {
        field f;
        if (!get_field(w, end, &at, &f))
            return;
        f.parent = parent;
        size_t me = w->n_fields++;
        w->fields[me] = f;
        if (f.wire == 2 && f.end - f.payload < (1 << 20) && depth < MAX_DEPTH &&
            is_message(w, f.payload, f.end))
            list_fields(w, f.payload, f.end, me, depth + 1);
    }
}

static size_t below(check_random *r, size_t n)
{
    return n ? (size_t)(check_u64(r) % n) : 0;
}

static size_t put_varint(uint8_t *out, uint64_t v)
{
    size_t n = 0;
    for (; v > 0x7F; v >>= 7)
        out[n++] = (uint8_t)(v | 0x80);
    out[n++] = (uint8_t)v;
    return n;
}

/* Replaces the bytes of [begin, end). */
static size_t replace(uint8_t *data, size_t n, size_t begin, size_t end, const uint8_t *with, size_t n_with)
{
    memmove(data + begin + n_with, data + end, n - end);
    if (n_with)
        memcpy(data + begin, with, n_with);
    return n - (end - begin) + n_with;
}

static size_t length_at(const field *f, const uint8_t *data)
{
    size_t at = f->tag;
    while (data[at] >= 0x80)
        at++;
    return at + 1;
}

/* The same inside field `parent`; the lengths of the enclosing fields are corrected. */
static size_t splice_right(const walk *w, size_t parent, uint8_t *data, size_t n, size_t begin, size_t end,
                           const uint8_t *with, size_t n_with)
{
    int64_t more = (int64_t)n_with - (int64_t)(end - begin);
    n = replace(data, n, begin, end, with, n_with);
    for (; parent != NO_PARENT; parent = w->fields[parent].parent) {
        /* Bytes before the change have not moved. */
        const field *f = &w->fields[parent];
        uint8_t length[10];
        size_t at = length_at(f, data),
               size = put_varint(length, (uint64_t)((int64_t)(f->end - f->payload) + more));
        more += (int64_t)size - (int64_t)(f->payload - at);
        n = replace(data, n, at, f->payload, length, size);
    }
    return n;
}

/* The same, but one time in three the enclosing lengths stay wrong. */
static size_t splice(check_random *r, const walk *w, size_t parent, uint8_t *data, size_t n, size_t begin,
                     size_t end, const uint8_t *with, size_t n_with)
{
    if (check_u64(r) % 3 == 0)
        return replace(data, n, begin, end, with, n_with);
    return splice_right(w, parent, data, n, begin, end, with, n_with);
}

/* Swaps the payloads of two fields of one message with their tags, so that all lengths stay right. */
static size_t exchange(check_random *r, walk *w, uint8_t *data, size_t n)
{
    size_t a = below(r, w->n_fields), b = a;
    for (int tries = 0; tries < 50 && (b == a || w->fields[b].parent != w->fields[a].parent); tries++)
        b = below(r, w->n_fields);
    if (b == a || w->fields[b].parent != w->fields[a].parent)
        return n;
    const field *x = &w->fields[a < b ? a : b], *y = &w->fields[a < b ? b : a];
    size_t total = y->end - x->tag, nx = x->end - x->tag, ny = y->end - y->tag;
    uint8_t *copy = malloc(total);
    assert_non_null(copy);
    memcpy(copy, data + y->tag, ny);
    memcpy(copy + ny, data + x->end, y->tag - x->end);
    memcpy(copy + total - nx, data + x->tag, nx);
    /* Their numbers may be swapped too: what was a name is then a type. */
    if (check_u64(r) % 2) {
        uint8_t tag = copy[0];
        copy[0] = copy[total - nx];
        copy[total - nx] = tag;
    }
    memcpy(data + x->tag, copy, total);
    free(copy);
    return n;
}

/* Replaces a length, or a number, by an extreme one. */
static size_t extreme(check_random *r, walk *w, uint8_t *data, size_t n, bool lengths)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       2,
                                       127,
                                       128,
                                       255,
                                       65535,
                                       INT32_MAX,
                                       UINT32_MAX,
                                       INT64_MAX,
                                       UINT64_MAX,
                                       (uint64_t)1 << 63,
                                       (uint64_t)1 << 32,
                                       16,
                                       17,
                                       26,
                                       27,
                                       1000000007};
    size_t i = below(r, w->n_fields);
    for (int tries = 0; tries < 200 && w->fields[i].wire != (lengths ? 2u : 0u); tries++)
        i = below(r, w->n_fields);
    const field *f = &w->fields[i];
    if (f->wire != (lengths ? 2u : 0u))
        return n;
    uint64_t v = numbers[below(r, sizeof numbers / sizeof *numbers)];
    size_t begin = f->payload, end = f->end;
    if (lengths) {
        uint64_t now = f->end - f->payload;
        begin = length_at(f, data);
        end = f->payload;
        v = check_u64(r) % 3 ? now + below(r, 9) - 4 : v;
    }
    uint8_t with[10];
    return splice(r, w, f->parent, data, n, begin, end, with, put_varint(with, v));
}

/* Removes a field, or repeats it. */
static size_t remove_or_repeat(check_random *r, walk *w, uint8_t *data, size_t n, bool repeat)
{
    const field *f = &w->fields[below(r, w->n_fields)];
    size_t size = f->end - f->tag;
    if (!repeat || size > 4096)
        return splice(r, w, f->parent, data, n, f->tag, f->end, NULL, 0);
    uint8_t *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, data + f->tag, size);
    n = splice(r, w, f->parent, data, n, f->end, f->end, copy, size);
    free(copy);
    return n;
}

static size_t flip(check_random *r, walk *w, uint8_t *data, size_t n)
{
    size_t at = below(r, n);
    /* Mostly within the structure of the message. */
    if (w->n_fields && check_u64(r) % 4) {
        const field *f = &w->fields[below(r, w->n_fields)];
        at = f->tag + below(r, f->end - f->tag < 24 ? f->end - f->tag : 24);
    }
    data[at] ^= (uint8_t)(1u << check_u64(r) % 8);
    return n;
}

static size_t mutate_once(check_random *r, walk *w, uint8_t *data, size_t n, size_t room, const char **what)
{
    static const char *const words[] = {"a bit flipped",    "the end cut off",  "two fields exchanged",
                                        "a length changed", "a number changed", "a field removed",
                                        "a field repeated"};
    unsigned kind = (unsigned)(check_u64(r) % 8);
    if (kind == 1 && check_u64(r) % 3)
        kind = 2; /* a truncated file is detected at once */
    if (kind == 7)
        kind = 4;
    if (w->n_fields == 0 || n + MAX_GROWTH > room)
        kind = 0;
    *what = words[kind];
    switch (kind) {
    case 0:
        return flip(r, w, data, n);
    case 1:
        return below(r, n);
    case 2:
        return exchange(r, w, data, n);
    case 3:
    case 4:
        return extreme(r, w, data, n, kind == 3);
    default:
        return remove_or_repeat(r, w, data, n, kind == 6);
    }
}

size_t mutate_room(size_t n)
{
    return n + 4 * MAX_GROWTH;
}

size_t mutate(check_random *r, uint8_t *data, size_t n, char *what, size_t size)
{
    walk *w = malloc(sizeof *w);
    assert_non_null(w);
    size_t room = mutate_room(n), used = 0;
    what[0] = '\0';
    for (int times = 1 + (int)(check_u64(r) % 4); times > 0 && n > 0; times--) {
        const char *word;
        w->data = data;
        w->n_fields = 0;
        list_fields(w, 0, n, NO_PARENT, 0);
        n = mutate_once(r, w, data, n, room, &word);
        used += (size_t)snprintf(what + used, used < size ? size - used : 0, "%s%s", used ? ", " : "", word);
        used = used < size ? used : size - 1;
    }
    free(w);
    return n;
}

/* ---- Mutations that keep a file readable --------------------------------------------------------------- */

static walk *walk_of(const uint8_t *data, size_t n)
{
    walk *w = malloc(sizeof *w);
    assert_non_null(w);
    w->data = data;
    w->n_fields = 0;
    list_fields(w, 0, n, NO_PARENT, 0);
    return w;
}

static int64_t any_int(check_random *r)
{
    static const int64_t extremes[] = {INT64_MIN,  INT64_MAX, INT32_MIN, INT32_MAX, INT64_C(1) << 32, 65536,
                                       1000000007, 1000000,   100000,    10000,     -1000000007,      4096};
    return check_u64(r) % 2 ? (int64_t)(check_u64(r) % 24) - 4
                            : extremes[below(r, sizeof extremes / sizeof *extremes)];
}

/* One element: a field with one number, or one of several packed into bytes. */
static size_t change_element(check_random *r, const walk *w, uint8_t *data, size_t n)
{
    static const float floats[] = {0, -1, 1e30f, -1e30f, 1e-30f, 0.5f, 2, 1e6f, (float)INFINITY, (float)NAN};
    const field *f = &w->fields[below(r, w->n_fields)];
    for (int tries = 0;
         tries < 100 && (f->end - f->payload < 4 || f->wire != 2) && f->wire != 0 && f->wire != 5; tries++)
        f = &w->fields[below(r, w->n_fields)];
    size_t room = f->end - f->payload;
    if (f->wire == 0) {
        uint8_t with[10];
        return splice_right(w, f->parent, data, n, f->payload, f->end, with,
                            put_varint(with, (uint64_t)any_int(r)));
    }
    int64_t v = any_int(r);
    float x = floats[below(r, sizeof floats / sizeof *floats)];
    if (room >= 8 && check_u64(r) % 2)
        memcpy(data + f->payload + 8 * below(r, room / 8), &v, 8);
    else if (room >= 4)
        memcpy(data + f->payload + 4 * below(r, room / 4), check_u64(r) % 2 ? (void *)&x : (void *)&v, 4);
    return n;
}

static unsigned depth_of(const walk *w, const field *f)
{
    unsigned depth = 0;
    for (size_t at = f->parent; at != NO_PARENT; at = w->fields[at].parent)
        depth++;
    return depth;
}

static size_t cross(check_random *r, const walk *w, uint8_t *data, size_t n, const uint8_t *donor,
                    size_t n_donor)
{
    walk *from = walk_of(donor, n_donor);
    const field *f = &w->fields[below(r, w->n_fields)];
    for (int tries = 0; tries < 500 && from->n_fields; tries++) {
        const field *g = &from->fields[below(r, from->n_fields)];
        if (donor[g->tag] == data[f->tag] && depth_of(from, g) == depth_of(w, f) && g->end - g->tag <= 4096 &&
            f->end - f->tag <= 65536) {
            n = splice_right(w, f->parent, data, n, f->tag, f->end, donor + g->tag, g->end - g->tag);
            break;
        }
    }
    free(from);
    return n;
}

size_t mutate_meaning(check_random *r, uint8_t *data, size_t n, const uint8_t *donor, size_t n_donor,
                      char *what, size_t size)
{
    walk *w = walk_of(data, n);
    bool element = check_u64(r) % 2 || !n_donor;
    snprintf(what, size, "%s", element ? "an element changed" : "a field of another file");
    if (w->n_fields)
        n = element ? change_element(r, w, data, n) : cross(r, w, data, n, donor, n_donor);
    free(w);
    return n;
}

size_t mutate_bake(uint8_t *data, size_t n, size_t index, const uint8_t *value, size_t n_value)
{
    enum { GRAPH_TAG = 7 << 3 | 2, INPUT_TAG = 11 << 3 | 2, INITIALIZER_TAG = 5 << 3 | 2 };
    walk *w = walk_of(data, n);
    uint8_t *with = malloc(n_value + 11);
    assert_non_null(with);
    with[0] = INITIALIZER_TAG;
    size_t used = 1 + put_varint(with + 1, n_value);
    memcpy(with + used, value, n_value);
    for (size_t i = 0, seen = 0; i < w->n_fields; i++) {
        const field *f = &w->fields[i];
        if (data[f->tag] != INPUT_TAG || f->parent == NO_PARENT || w->fields[f->parent].parent != NO_PARENT ||
            data[w->fields[f->parent].tag] != GRAPH_TAG || seen++ != index)
            continue;
        n = splice_right(w, f->parent, data, n, f->tag, f->end, with, used + n_value);
        break;
    }
    free(with);
    free(w);
    return n;
}
