/* Moved boxes against an item-by-item definition. */
#include "base/cpu.h"
#include "check.h"
#include "kernel/kernel.h"
#include "kernel/layout/layout_box.h"
#include <sibyl/timing.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static char *random_bytes(size_t n, check_random *r)
{
    char *p = malloc(n + 1);
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)(check_u64(r) >> 32);
    return p;
}

/* ---- Boxes ------------------------------------------------------------------------------------------- */

static void naive_box(size_t rank, const int64_t *dims, char *dst, const int64_t *to, const char *src,
                      const int64_t *from, size_t item)
{
    if (rank == 0)
        memcpy(dst, src, item);
    for (int64_t i = 0; rank > 0 && i < dims[0]; i++)
        naive_box(rank - 1, dims + 1, dst + i * to[0], to + 1, src + i * from[0], from + 1, item);
}

/* Random dims, some of them 1 and 0; a source with its axes permuted, sliced, repeated or reversed; a result
   with or without gaps between its rows. */
static void check_box(check_random *r, size_t most, sib_pool *pool)
{
    size_t rank = (size_t)(check_u64(r) >> 20) % 6, item = (size_t)1 << (check_u64(r) >> 20) % 5;
    int64_t dims[6], dense[6], strides[6], step = (int64_t)item, offset = 0, room = (int64_t)item;
    size_t order[6], all = 1;
    for (size_t i = 0; i < rank; i++) {
        uint64_t draw = check_u64(r) >> 16;
        dims[i] = draw % 29 == 0 ? 0 : draw % 5 == 0 ? 1 : 1 + (int64_t)((draw >> 20) % most);
        while (all * (size_t)dims[i] > (size_t)1 << 21)
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
    layout_box_copy(&box, dst, src + offset, pool);
    naive_box(rank, dims, want, dense, src + offset, strides, item);
    if (memcmp(dst, want, (size_t)room) != 0)
        fail_msg("a box of rank %zu, items of %zu bytes", rank, item);
    free(src);
    free(dst);
    free(want);
}

static void test_boxes(void **state)
{
    sib_error err = SIB_ERROR_INIT;
    sib_pool *pool = NULL;
    check_random r = {2};
    (void)state;
    CHECK_OK(sib_pool_create(3, &pool, &err), err);
    for (int i = 0; i < 6000; i++)
        check_box(&r, 20, pool);
    for (int i = 0; i < 60; i++)
        check_box(&r, 700, pool);
    sib_pool_free(&pool);
}

/* ---- Time -------------------------------------------------------------------------------------------- */

static void time_box(const char *what, size_t rank, const int64_t *dims, const int64_t *perm, size_t item)
{
    int64_t own[6], strides[6], turned[6], dense[6];
    size_t bytes = item;
    layout_box box;
    layout_strides(rank, dims, item, own);
    for (size_t i = 0; i < rank; i++) {
        turned[i] = dims[perm[i]];
        strides[i] = own[perm[i]];
        bytes *= (size_t)dims[i];
    }
    layout_strides(rank, turned, item, dense);
    layout_box_plan(&box, rank, turned, dense, strides, item);
    check_random r = {3};
    char *src = random_bytes(bytes, &r), *dst = random_bytes(bytes, &r);
    uint64_t best = UINT64_MAX, copy = UINT64_MAX;
    for (int i = 0; i < 200; i++) {
        uint64_t start = sib_time_ns();
        layout_box_copy(&box, dst, src, NULL);
        uint64_t mid = sib_time_ns();
        memcpy(dst, src, bytes);
        uint64_t end = sib_time_ns();
        best = mid - start < best ? mid - start : best;
        copy = end - mid < copy ? end - mid : copy;
    }
    printf("%-28s %zu bytes: %10.1f us %6.1f GB/s, memcpy %6.1f GB/s\n", what, item, (double)best * 1e-3,
           (double)bytes / (double)best, (double)bytes / (double)copy);
    free(src);
    free(dst);
}

static void time_all(void)
{
    for (size_t item = 1; item <= 16; item *= 2) {
        time_box("1500 x 384 turned", 2, (int64_t[]){1500, 384}, (int64_t[]){1, 0}, item);
        time_box("1 x 1500 x 6 x 64, 0 2 1 3", 4, (int64_t[]){1, 1500, 6, 64}, (int64_t[]){0, 2, 1, 3}, item);
        time_box("1024 x 1024 turned", 2, (int64_t[]){1024, 1024}, (int64_t[]){1, 0}, item);
        time_box("3 x 224 x 224 to last", 2, (int64_t[]){3, 224 * 224}, (int64_t[]){1, 0}, item);
        time_box("224 x 224 x 3 to first", 2, (int64_t[]){224 * 224, 3}, (int64_t[]){1, 0}, item);
        time_box("16 x 16 turned", 2, (int64_t[]){16, 16}, (int64_t[]){1, 0}, item);
        time_box("4 x 8 x 10 x 4, 0 2 1 3", 4, (int64_t[]){4, 8, 10, 4}, (int64_t[]){0, 2, 1, 3}, item);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_boxes)};
    if (argc > 1 && strcmp(argv[1], "--time") == 0) {
        time_all();
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
