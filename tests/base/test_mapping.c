/* The bytes of files: small ones are copied, and survive that the file is truncated. */
#include "check.h"

#include "base/mapping.h"

#include <unistd.h>

static char path[] = "/tmp/sibyl-mapping-XXXXXX";

static mapping *open_of_size(size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    mapping *m = NULL;
    char *data = malloc(n + 1);
    FILE *f = fopen(path, "wb");
    assert_true(data && f);
    memset(data, 'x', n);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
    free(data);
    CHECK_OK(mapping_open(path, &m, &err), err);
    assert_int_equal(m->bytes.size, n);
    return m;
}

static void small_files_outlive_their_truncation(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 1000, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        mapping *m = open_of_size(sizes[i]);
        assert_null(m->mapped);
        assert_int_equal(truncate(path, 0), 0);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(m->bytes.data[k], 'x');
        mapping_release(m);
    }
    mapping_release(open_of_size(0));
}

static void large_files_are_mapped(void **state)
{
    (void)state;
    mapping *m = open_of_size((1 << 20) + 1);
    assert_non_null(m->mapped);
    mapping_release(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(small_files_outlive_their_truncation),
                                       cmocka_unit_test(large_files_are_mapped)};
    close(mkstemp(path));
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
