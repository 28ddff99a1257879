/* The bytes of files: small files are copied, and so survive truncation. */
#include "check_memory.h"

#include "base/mapping.h"

#include <sys/stat.h>
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
    assert_true(m->mapped && !m->owned);
    for (size_t i = 0; i < m->bytes.size; i += 4096)
        assert_int_equal(m->bytes.data[i], 'x');
    mapping_release(m);
}

TEST(files_are_identified_and_held)
{
    struct stat st;
    const uint64_t before = check_held();
    mapping *m = open_of_size(10);
    assert_int_equal(stat(path, &st), 0);
    assert_true(m->device == st.st_dev && m->inode == st.st_ino);
    mapping_keep(m);
    mapping_release(m);
    assert_int_equal(m->bytes.data[9], 'x'); /* one reference is left */
    mapping_release(m);
    mapping_release(NULL);
    assert_int_equal(check_held(), before);
}

TEST(what_cannot_be_opened_is_named)
{
    sib_error err = SIB_ERROR_INIT;
    mapping *m = (mapping *)path;
    const uint64_t before = check_held();
    CHECK_FAILS(mapping_open("/no/file", &m, &err), SIB_ERR_IO, err, "/no/file: No such file or directory");
    assert_null(m);
    CHECK_FAILS(mapping_open("/tmp", &m, &err), SIB_ERR_IO, err, "/tmp: is a folder, expected a file");
    CHECK_FAILS(mapping_open("/dev/null", &m, &err), SIB_ERR_IO, err, "/dev/null: is not a regular file");
    mapping_release(open_of_size(100));
    CHECK_OK(mapping_open_inside(path, "/tmp", &m, &err), err);
    assert_int_equal(m->bytes.size, 100);
    mapping_release(m);
    CHECK_FAILS(mapping_open_inside(path, "/tmp/other", &m, &err), SIB_ERR_FORMAT, err,
                "no longer in the folder '/tmp/other'");
    assert_null(m);
    assert_int_equal(check_held(), before);
}

static sib_code open_and_copy(sib_error *err)
{
    mapping *m = NULL, *copy = NULL;
    sib_code code = mapping_open(path, &m, err);
    if (code == SIB_OK)
        code = mapping_copy(m->bytes, &copy, err);
    if (code == SIB_OK)
        assert_true(copy->bytes.data != m->bytes.data && copy->bytes.size == 100 &&
                    copy->bytes.data[99] == 'x');
    mapping_release(copy);
    mapping_release(m);
    return code;
}

TEST(copies_are_apart_and_failures_leave_nothing)
{
    sib_error err = SIB_ERROR_INIT;
    mapping *empty = NULL;
    mapping_release(open_of_size(100));
    CHECK_EVERY_ALLOCATION(open_and_copy(&err), (void)0);
    CHECK_OK(mapping_copy((byte_span){NULL, 0}, &empty, &err), err);
    assert_int_equal(empty->bytes.size, 0);
    mapping_release(empty);
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
