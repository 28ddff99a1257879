/* Moved boxes against an item-by-item definition. */
#include "base/cpu.h"
#include "check.h"
#include "kernel/kernel.h"
#include "kernel/layout/layout_box.h"

static char *random_bytes(size_t n, check_random *r)
{
    char *p = malloc(n + 1);
    assert_non_null(p);
    check_fill(r, p, n);
    return p;
}

/* ---- Boxes ------------------------------------------------------------------------------------------- */

CHECK_UNWATCHED static void naive_box(size_t rank, const int64_t *dims, char *dst, const int64_t *to,
                                      const char *src, const int64_t *from, size_t item)
{
    if (rank == 0)
        memcpy(dst, src, item);
    for (int64_t i = 0; rank > 0 && i < dims[0]; i++)
        naive_box(rank - 1, dims + 1, dst + i * to[0], to + 1, src + i * from[0], from + 1, item);
}

/* Random dims, some of them 1 and 0; a source with its axes permuted, sliced, repeated or reversed; a result
   with or without gaps between its rows. max: dims; items: of the box. */
static void check_box(check_random *r, size_t max, size_t items, sib_pool *pool)
{
    size_t rank = (size_t)(check_u64(r) >> 20) % 6, item = (size_t)1 << (check_u64(r) >> 20) % 5;
    int64_t dims[6], dense[6], strides[6], step = (int64_t)item, offset = 0, room = (int64_t)item;
    size_t order[6], all = 1;
    for (size_t i = 0; i < rank; i++) {
        uint64_t draw = check_u64(r) >> 16;
        dims[i] = draw % 29 == 0 ? 0 : draw % 5 == 0 ? 1 : 1 + (int64_t)((draw >> 20) % max);
        if (draw % 7 == 1) /* rows that share sets of caches */
            dims[i] = 256 << ((draw >> 20) % 3);
        while (all * (size_t)dims[i] > items)
            dims[i] /= 2;
        all *= (size_t)(dims[i] ? dims[i] : 1);
        order[i] = i;
    }
    for (size_t i = rank; i-- > 1 && check_u64(r) >> 63;) {
        size_t k = (size_t)(check_u64(r) >> 20) % (i + 1), kept = order[i];
        order[i] = order[k];
        order[k] = kept;
    }
    for (size_t i = rank; i-- > 0;) {
        size_t axis = order[i];
        uint64_t draw = check_u64(r) >> 20;
        int64_t times = draw % 7 == 0 ? 2 : 1;
        bool back = draw % 11 == 0, repeated = draw % 13 == 0;
        strides[axis] = repeated ? 0 : (back ? -1 : 1) * step * times;
        offset += back && !repeated && dims[axis] ? (dims[axis] - 1) * step * times : 0;
        step *= repeated ? 1 : (dims[axis] ? dims[axis] : 1) * times;
    }
    bool gaps = check_u64(r) >> 62 == 0;
    for (size_t i = rank; i-- > 0;) {
        dense[i] = room;
        room *= dims[i] ? dims[i] : 1;
        room += gaps && i > 0 ? 3 * (int64_t)item : 0;
    }
    char *src = random_bytes((size_t)step, r), *dst = random_bytes((size_t)room, r),
         *want = malloc((size_t)room);
    assert_non_null(want);
    memcpy(want, dst, (size_t)room);
    layout_box box;
    layout_box_plan(&box, rank, dims, dense, strides, item);
    layout_box_copy(&box, dst, src + offset, pool, NULL);
    naive_box(rank, dims, want, dense, src + offset, strides, item);
    if (memcmp(dst, want, (size_t)room) != 0)
        fail_msg("a box of rank %zu, items of %zu bytes", rank, item);
    free(src);
    free(dst);
    free(want);
}

TEST(test_boxes)
{
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool = NULL;
    check_random r = {2};
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    for (int i = 0; i < check_draws(6000); i++)
        check_box(&r, 20, (size_t)1 << 16, pool);
    for (int i = 0; i < (check_quick() ? 6 : 200); i++)
        check_box(&r, 700, (size_t)1 << 21, pool);
    sib_pool_free(&pool);
}

/* Planes whose rows are far apart, through the block on the stack and past the caches; sizes that no part divides. */
TEST(test_large_planes)
{
    static const struct {
        size_t item;
        int64_t rows, columns;
    } planes[] = {{4, 28673, 56}, {4, 1024, 2003}, {4, 2051, 1024},
                  {2, 4096, 777}, {1, 3001, 2048}, {8, 1024, 799}};
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool = NULL;
    check_random r = {3};
    CHECK_OK(sib_pool_create(2, &pool, &err), err);
    for (size_t i = 0; i < sizeof planes / sizeof *planes; i++) {
        if (check_left_out(i))
            continue;
        int64_t item = (int64_t)planes[i].item, rows = planes[i].rows, columns = planes[i].columns;
        const int64_t dims[] = {columns, rows}, dense[] = {rows * item, item},
                      strides[] = {item, columns * item};
        size_t bytes = (size_t)(rows * columns * item);
        char *src = random_bytes(bytes, &r), *dst = random_bytes(bytes, &r), *want = malloc(bytes);
        layout_box box;
        assert_non_null(want);
        naive_box(2, dims, want, dense, src, strides, planes[i].item);
        layout_box_plan(&box, 2, dims, dense, strides, planes[i].item);
        for (int threads = 0; threads < 2; threads++) {
            memset(dst, 0, bytes);
            layout_box_copy(&box, dst, src, threads ? pool : NULL, NULL);
            assert_memory_equal(dst, want, bytes);
        }
        free(src);
        free(dst);
        free(want);
    }
    sib_pool_free(&pool);
}
