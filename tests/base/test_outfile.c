#include "base/alloc.h"
#include "base/outfile.h"
#include "folder.h"

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

TEST_FIXTURE(make_folder, drop_file)
