#include "tensor/shape.h"

#include "base/assert.h"
#include "base/error.h"
#include "base/size.h"

#include <inttypes.h>
#include <stdio.h>

sib_code shape_count(size_t rank, const int64_t *dims, uint64_t *count, sib_error *err)
{
    if (rank > SIB_MAX_RANK)
        return err_set(err, SIB_ERR_ARGUMENT, "rank is %zu, expected at most %d", rank, SIB_MAX_RANK);
    if (rank > 0 && !dims)
        return err_set(err, SIB_ERR_ARGUMENT, "dims is NULL, expected %zu of them", rank);
    bool empty = false;
    int64_t product = 1;
    for (size_t i = 0; i < rank; i++)
        if (dims[i] < 0)
            return err_set(err, SIB_ERR_ARGUMENT, "dim %zu is %" PRId64 ", expected 0 or more", i, dims[i]);
    for (size_t i = 0; i < rank; i++) {
        char text[SHAPE_TEXT];
        if (dims[i] == 0)
            empty = true;
        else if (!i64_mul(product, dims[i], &product))
            return err_set(err, SIB_ERR_SIZE, "shape %s has more elements than 64 bits count",
                           shape_text(rank, dims, text));
    }
    *count = empty ? 0 : (uint64_t)product;
    return SIB_OK;
}

void shape_dense_strides(size_t rank, const int64_t *dims, int64_t *strides)
{
    SIB_ASSERT(rank <= SIB_MAX_RANK);
    int64_t stride = 1;
    for (size_t i = rank; i-- > 0;) {
        strides[i] = stride;
        stride *= dims[i] > 0 ? dims[i] : 1;
    }
}

bool shape_is_dense(size_t rank, const int64_t *dims, const int64_t *strides)
{
    bool dense = true;
    int64_t stride = 1;
    for (size_t i = rank; i-- > 0;) {
        if (dims[i] == 0)
            return true;
        dense = dense && (dims[i] == 1 || strides[i] == stride);
        stride *= dims[i];
    }
    return dense;
}

sib_code shape_check_reach(size_t rank, const int64_t *dims, const int64_t *strides, size_t bytes,
                           sib_error *err)
{
    SIB_ASSERT(rank <= SIB_MAX_RANK);
    int64_t before = 0, after = (int64_t)bytes; /* bytes on either side of element (0, ..., 0) */
    for (size_t i = 0; i < rank; i++)
        if (dims[i] == 0)
            return SIB_OK;
    for (size_t i = 0; i < rank; i++) {
        int64_t reach, *side = strides[i] < 0 ? &before : &after;
        if (dims[i] == 1)
            continue;
        if (!i64_mul(dims[i] - 1, strides[i], &reach) || !i64_mul(reach, (int64_t)bytes, &reach) ||
            !i64_add(*side, reach, side) || *side < -PTRDIFF_MAX || *side > PTRDIFF_MAX)
            return err_set(err, SIB_ERR_SIZE,
                           "axis %zu of %" PRId64 " elements with stride %" PRId64
                           " leaves the address space",
                           i, dims[i], strides[i]);
    }
    return SIB_OK;
}

const char *shape_text(size_t rank, const int64_t *dims, char *text)
{
    size_t at = (size_t)snprintf(text, SHAPE_TEXT, "(");
    for (size_t i = 0; i < rank && at < SHAPE_TEXT; i++)
        at += (size_t)snprintf(text + at, SHAPE_TEXT - at, "%s%" PRId64, i ? ", " : "", dims[i]);
    if (at < SHAPE_TEXT)
        snprintf(text + at, SHAPE_TEXT - at, "%s)", rank == 1 ? "," : "");
    return text;
}
