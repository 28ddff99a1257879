#include "base/alloc.h"
#include "base/outfile.h"
#include "folder.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* Fails where a test left more behind. */
static int drop_file(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/a", folder);
    unlink(path);
    return rmdir(folder);
}

TEST(whole_or_not_at_all)
{
    char path[128], text[8] = "";
    snprintf(path, sizeof path, "%s/a", folder);
    sib_error err = SIB_ERROR_INIT;
    outfile f;
    CHECK_OK(outfile_begin(&f, path, &err), err);
    fputs("old", f.stream);
    assert_int_not_equal(access(path, F_OK), 0);
    CHECK_OK(outfile_commit(&f, &err), err);
    CHECK_OK(outfile_begin(&f, path, &err), err);
    fputs("new", f.stream);
    outfile_abort(&f);
    outfile_abort(&f);
    assert_int_equal(files_in_folder(), 1);
    FILE *in = fopen(path, "r");
    assert_int_equal(fread(text, 1, 7, in), 3);
    fclose(in);
    assert_string_equal(text, "old");
}

TEST(failures_name_the_path)
{
    sib_error err = SIB_ERROR_INIT;
    outfile f;
    CHECK_FAILS(outfile_begin(&f, "/nonexistent/x", &err), SIB_ERR_IO, err, "/nonexistent/x");
    CHECK_FAILS(outfile_begin(&f, folder, &err), SIB_ERR_IO, err, "folder");
    CHECK_OK(outfile_begin(&f, "/dev/full", &err), err);
    fputs("text", f.stream);
    CHECK_FAILS(outfile_commit(&f, &err), SIB_ERR_IO, err, "/dev/full");
    static const char much[100000];
    CHECK_OK(outfile_begin(&f, "/dev/full", &err), err);
    assert_true(fwrite(much, 1, sizeof much, f.stream) < sizeof much);
    CHECK_FAILS(outfile_commit(&f, &err), SIB_ERR_IO, err, "No space left");
    mem_fail_after(1);
    sib_code code = outfile_begin(&f, "/tmp/x", &err);
    mem_fail_never();
    assert_int_equal(code, SIB_ERR_MEMORY);
}

/* What a process that was ended left is gone after the next one; what is being written stays. */
TEST(what_was_left_is_removed)
{
    char path[128], left[160];
    snprintf(path, sizeof path, "%s/a", folder);
    snprintf(left, sizeof left, "%s.0.part", path);
    sib_error err = SIB_ERROR_INIT;
    outfile f, g;
    unlink(path);
    for (int i = 0; i < 3; i++) {
        snprintf(left, sizeof left, "%s.%d.part", path, i);
        fclose(fopen(left, "w"));
    }
    CHECK_OK(outfile_begin(&f, path, &err), err);
    assert_int_equal(files_in_folder(), 1);
    CHECK_OK(outfile_begin(&g, path, &err), err);
    assert_string_not_equal(f.aside, g.aside);
    assert_int_equal(files_in_folder(), 2);
    fputs("second", g.stream);
    CHECK_OK(outfile_commit(&g, &err), err);
    fputs("first", f.stream);
    CHECK_OK(outfile_commit(&f, &err), err);
    assert_int_equal(files_in_folder(), 1);
}

/* "/dev/stdout" that leads to a plain file is written through, not replaced. */
TEST(links_of_the_system_stay)
{
    char path[128], link[64], text[8] = "";
    snprintf(path, sizeof path, "%s/a", folder);
    FILE *through = fopen(path, "w+");
    snprintf(link, sizeof link, "/dev/fd/%d", fileno(through));
    sib_error err = SIB_ERROR_INIT;
    outfile f;
    CHECK_OK(outfile_begin(&f, link, &err), err);
    fputs("through", f.stream);
    CHECK_OK(outfile_commit(&f, &err), err);
    assert_int_equal(fread(text, 1, 7, through), 7);
    fclose(through);
    assert_string_equal(text, "through");
    CHECK_FAILS(outfile_begin(&f, "/dev/no-such-device", &err), SIB_ERR_IO, err, "/dev/no-such-device");
}

TEST(unnamed_files_leave_no_name)
{
    char path[128], text[8] = "";
    struct stat st;
    snprintf(path, sizeof path, "%s/a", folder);
    sib_error err = SIB_ERROR_INIT;
    const uint64_t before = check_held();
    const size_t files = files_in_folder();
    int fd;
    CHECK_OK(outfile_unnamed(path, &fd, &err), err);
    assert_int_equal(files_in_folder(), files);
    assert_true(fstat(fd, &st) == 0 && st.st_nlink == 0);
    CHECK_OK(outfile_write_at(fd, "abcdef", 6, 100, path, &err), err);
    CHECK_OK(outfile_write_at(fd, "XY", 2, 102, path, &err), err);
    CHECK_OK(outfile_read_at(fd, text, 5, 101, path, &err), err);
    assert_string_equal(text, "bXYef");
    CHECK_FAILS(outfile_read_at(fd, text, 5, 102, path, &err), SIB_ERR_IO, err,
                "/a: what was written aside cannot be read: it ends early");
    close(fd);
    CHECK_FAILS(outfile_read_at(-1, text, 5, 0, path, &err), SIB_ERR_IO, err, strerror(EBADF));
    CHECK_FAILS(outfile_write_at(-1, text, 5, 0, path, &err), SIB_ERR_IO, err, strerror(EBADF));
    CHECK_FAILS(outfile_unnamed("/no/folder/x", &fd, &err), SIB_ERR_IO, err,
                "/no/folder/x: cannot be written");
    assert_int_equal(fd, -1);
    /* of a device: in the folder of temporary files */
    setenv("TMPDIR", "/no/tmp", 1);
    CHECK_FAILS(outfile_unnamed("/dev/stdout", &fd, &err), SIB_ERR_IO, err,
                "/no/tmp/sibyl: cannot be written");
    setenv("TMPDIR", folder, 1);
    CHECK_OK(outfile_unnamed("/dev/stdout", &fd, &err), err);
    close(fd);
    unsetenv("TMPDIR");
    assert_int_equal(files_in_folder(), files);
    for (uint64_t i = 0; i < 2; i++) {
        mem_fail_after(i);
        sib_code code = outfile_unnamed(path, &fd, &err);
        mem_fail_never();
        CHECK_FAILS(code, SIB_ERR_MEMORY, err, "for a file name");
    }
    assert_int_equal(check_held(), before);
}

TEST(what_is_no_plain_file_is_special)
{
    char path[128];
    static const char *const special[] = {"/dev/null", "/dev/no-such-device", "/proc/self/fd/1"};
    static const char *const plain[] = {"/tmp",     "/no/such/file", "/device",
                                        "/proceed", "dev/null",      "/dev/shm/no-such-file"};
    for (size_t i = 0; i < COUNT(special); i++)
        assert_true(outfile_is_special(special[i]));
    for (size_t i = 0; i < COUNT(plain); i++)
        assert_false(outfile_is_special(plain[i]));
    snprintf(path, sizeof path, "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_true(outfile_is_special(path));
    unlink(path);
}

/* Of one file, one at a time is ours, and only under the name that it has. */
TEST(locks_of_what_is_written_aside)
{
    char path[128], other[128];
    snprintf(path, sizeof path, "%s/locked", folder);
    snprintf(other, sizeof other, "%s/other", folder);
    FILE *first = fopen(path, "w"), *second = fopen(path, "r+");
    assert_int_equal(aside_lock(fileno(first), path), ASIDE_OURS);
    assert_int_equal(aside_lock(fileno(second), path), ASIDE_LOST);
    fclose(first);
    assert_int_equal(aside_lock(fileno(second), path), ASIDE_OURS);
    fclose(fopen(other, "w"));
    assert_int_equal(aside_lock(fileno(second), other), ASIDE_LOST);
    unlink(other);
    unlink(path);
    assert_int_equal(aside_lock(fileno(second), path), ASIDE_LOST);
    fclose(second);
}

TEST_FIXTURE(make_folder, drop_file)
