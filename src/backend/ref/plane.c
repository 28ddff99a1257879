#include "backend/ref/plane.h"
#include "base/assert.h"
#include "tensor/convert.h"

#include <string.h>

/* Items that are copied between two looks at a run's cancel. */
#define COPY_PART ((size_t)1 << 20)
/* The same of strings, each an allocation. */
#define STRINGS_PER_CHECK 4096

/* ---- Tensors as items ------------------------------------------------------------------------------- */

static void unpack(const sib_tensor *t, unsigned char *to)
{
    for (uint64_t done = 0; done < t->count;) {
        uint64_t codes[CONVERT_BLOCK];
        size_t n = t->count - done < CONVERT_BLOCK ? (size_t)(t->count - done) : CONVERT_BLOCK;
        convert_to_codes(t->dtype, t->data, (size_t)done, n, codes);
        for (size_t i = 0; i < n; i++)
            to[done + i] = (unsigned char)codes[i];
        done += n;
    }
}

static void pack(const unsigned char *from, sib_tensor *t)
{
    unsigned bits = dtype_info(t->dtype)->bits, per_byte = 8 / bits;
    unsigned char *to = (unsigned char *)t->data;
    SIB_ASSERT(per_byte);
    for (uint64_t i = 0; i < t->count; i += per_byte) {
        unsigned byte = 0;
        for (unsigned k = 0; k < per_byte && i + k < t->count; k++)
            byte |= (unsigned)from[i + k] << k * bits;
        to[i / per_byte] = (unsigned char)byte;
    }
}

sib_code ref_plane_read(const ref_call *c, const sib_tensor *t, ref_plane *p)
{
    *p = (ref_plane){.item = dtype_stride(t->dtype), .data = t->data};
    if (!dtype_is_packed(t->dtype))
        return SIB_OK;
    p->item = 1;
    p->data = p->scratch = mem_alloc(t->count, 1);
    if (!p->data)
        return ref_no_memory(c, t->count);
    unpack(t, (unsigned char *)p->data);
    return SIB_OK;
}

sib_code ref_plane_write(const ref_call *c, sib_tensor *t, ref_plane *p)
{
    *p = (ref_plane){.item = dtype_stride(t->dtype), .data = t->data, .out = t};
    bool packed = dtype_is_packed(t->dtype);
    if (packed)
        p->item = 1;
    if (t->dtype == SIB_STRING && !t->storage->owned)
        return ref_fail(c, SIB_ERR_UNSUPPORTED, "strings cannot be written into wrapped memory");
    if (packed || t->dtype == SIB_STRING) {
        p->data = p->scratch = mem_calloc(t->count, p->item);
        if (!p->data)
            return ref_no_memory(c, t->count * p->item);
    }
    return SIB_OK;
}

static sib_code put_strings(const ref_call *c, sib_tensor *t, const sib_str *from)
{
    sib_code code = SIB_OK;
    for (uint64_t i = 0; i < t->count && code == SIB_OK; i++) {
        if (i % STRINGS_PER_CHECK == 0)
            code = ref_cancelled(c);
        if (code == SIB_OK)
            code = tensor_put_string((sib_str *)t->data + i, from[i], c->err);
    }
    return code;
}

sib_code ref_plane_done(const ref_call *c, ref_plane *p, sib_code code)
{
    sib_tensor *t = p->out;
    if (code == SIB_OK && p->scratch && t->dtype != SIB_STRING)
        pack(p->scratch, t);
    if (code == SIB_OK && p->scratch && t->dtype == SIB_STRING)
        code = put_strings(c, t, (const sib_str *)p->scratch);
    ref_plane_free(p);
    return code;
}

void ref_plane_free(ref_plane *p)
{
    mem_free(p->scratch);
    *p = (ref_plane){0};
}

/* ---- Copying ------------------------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void copy_items(char *dst, int64_t dst_stride, const char *src,
                                                             int64_t src_stride, size_t n, size_t item)
{
    for (size_t i = 0; i < n; i++)
        memcpy(dst + (int64_t)i * dst_stride, src + (int64_t)i * src_stride, item);
}

void ref_copy_run(char *dst, int64_t dst_stride, const char *src, int64_t src_stride, size_t n, size_t item)
{
    if (n == 0)
        return;
    if (dst_stride == (int64_t)item && src_stride == (int64_t)item) {
        memcpy(dst, src, n * item);
        return;
    }
    switch (item) { /* a constant width makes each a loop of single moves */
    case 1:
        copy_items(dst, dst_stride, src, src_stride, n, 1);
        break;
    case 2:
        copy_items(dst, dst_stride, src, src_stride, n, 2);
        break;
    case 4:
        copy_items(dst, dst_stride, src, src_stride, n, 4);
        break;
    case 8:
        copy_items(dst, dst_stride, src, src_stride, n, 8);
        break;
    default:
        copy_items(dst, dst_stride, src, src_stride, n, item);
    }
}

void ref_strides(size_t rank, const int64_t *dims, size_t item, int64_t *strides)
{
    int64_t stride = (int64_t)item;
    for (size_t i = rank; i-- > 0;) {
        strides[i] = stride;
        stride = (int64_t)((uint64_t)stride * (uint64_t)dims[i]); /* empty boxes may overflow */
    }
}

typedef struct box {
    size_t rank;
    int64_t dims[SIB_MAX_RANK], dst[SIB_MAX_RANK], src[SIB_MAX_RANK]; /* strides in bytes */
} box;

/* Drops axes of size 1 and merges axes that are contiguous on both sides. */
static box merge(size_t rank, const int64_t *dims, const int64_t *dst_strides, const int64_t *src_strides)
{
    box b = {0};
    for (size_t i = 0; i < rank; i++) {
        size_t last = b.rank - 1;
        if (dims[i] == 1)
            continue;
        if (b.rank > 0 && b.dst[last] == dst_strides[i] * dims[i] &&
            b.src[last] == src_strides[i] * dims[i]) {
            b.dims[last] *= dims[i];
        } else {
            last = b.rank++;
            b.dims[last] = dims[i];
        }
        b.dst[last] = dst_strides[i];
        b.src[last] = src_strides[i];
    }
    return b;
}

/* Lines of so many items stay in the cache while a plane is transposed. */
#define TILE 16

/* If the source is contiguous along an axis other than the last, moves that axis next to the last, so that
   the two are copied in tiles. Returns whether it did. */
static bool move_next_to_last(box *b, size_t item)
{
    size_t last = b->rank - 1, moved = last;
    for (size_t i = 0; i < last; i++)
        if (b->src[i] == (int64_t)item)
            moved = i;
    if (b->src[last] == (int64_t)item || moved == last)
        return false;
    int64_t *lists[] = {b->dims, b->dst, b->src};
    for (size_t k = 0; k < 3; k++) {
        int64_t kept = lists[k][moved];
        memmove(lists[k] + moved, lists[k] + moved + 1, (last - 1 - moved) * sizeof kept);
        lists[k][last - 1] = kept;
    }
    return true;
}

/* Copies the plane of the last two axes. */
static void copy_tiles(const box *b, char *dst, const char *src, size_t item)
{
    size_t x = b->rank - 1, y = x - 1;
    for (int64_t i = 0; i < b->dims[y]; i += TILE)
        for (int64_t k = 0; k < b->dims[x]; k += TILE) {
            int64_t rows = b->dims[y] - i < TILE ? b->dims[y] - i : TILE;
            size_t n = (size_t)(b->dims[x] - k < TILE ? b->dims[x] - k : TILE);
            for (int64_t row = i; row < i + rows; row++)
                ref_copy_run(dst + row * b->dst[y] + k * b->dst[x], b->dst[x],
                             src + row * b->src[y] + k * b->src[x], b->src[x], n, item);
        }
}

sib_code ref_copy_long(const ref_call *c, char *dst, int64_t dst_stride, const char *src, int64_t src_stride,
                       uint64_t n, size_t item)
{
    sib_code code = ref_cancelled(c);
    for (uint64_t done = 0; done < n && code == SIB_OK; code = ref_cancelled(c)) {
        const size_t part = n - done < COPY_PART ? (size_t)(n - done) : COPY_PART;
        ref_copy_run(dst + (int64_t)done * dst_stride, dst_stride, src + (int64_t)done * src_stride,
                     src_stride, part, item);
        done += part;
    }
    return code;
}

sib_code ref_copy_box(const ref_call *c, size_t rank, const int64_t *dims, char *dst,
                      const int64_t *dst_strides, const char *src, const int64_t *src_strides, size_t item)
{
    for (size_t i = 0; i < rank; i++)
        if (dims[i] == 0)
            return SIB_OK;
    box b = merge(rank, dims, dst_strides, src_strides);
    int64_t index[SIB_MAX_RANK] = {0};
    if (b.rank == 0) {
        memcpy(dst, src, item);
        return SIB_OK;
    }
    bool tiles = move_next_to_last(&b, item);
    size_t last = b.rank - 1, axis;
    sib_code code = ref_cancelled(c);
    do {
        if (tiles)
            copy_tiles(&b, dst, src, item);
        else
            code = ref_copy_long(c, dst, b.dst[last], src, b.src[last], (uint64_t)b.dims[last], item);
        if (tiles)
            code = ref_cancelled(c);
        for (axis = last - tiles; axis-- > 0;) {
            dst += b.dst[axis];
            src += b.src[axis];
            if (++index[axis] < b.dims[axis])
                break;
            dst -= b.dst[axis] * b.dims[axis];
            src -= b.src[axis] * b.dims[axis];
            index[axis] = 0;
        }
    } while (axis != SIZE_MAX && code == SIB_OK);
    return code;
}
