/* The bytes of files: small files are copied, and so survive truncation. */
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

TEST(small_files_outlive_their_truncation)
{
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

TEST(large_files_are_mapped)
{
    mapping *m = open_of_size((1 << 20) + 1);
    assert_non_null(m->mapped);
    mapping_release(m);
}

static int make_file(void)
{
    return close(mkstemp(path));
}

static int drop_file(void)
{
    return unlink(path);
}

TEST_FIXTURE(make_file, drop_file)
