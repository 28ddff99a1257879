#include "base/alloc.h"
#include "base/path.h"
#include "check_memory.h"
#include "folder.h"

#include <sys/stat.h>
#include <unistd.h>

TEST_FIXTURE(make_folder, drop_folder)

/* Frees `made`. */
static void expect(char *made, const char *expected)
{
    assert_non_null(made);
    assert_string_equal(made, expected);
    mem_free(made);
}

TEST(test_names)
{
    expect(path_folder("m.onnx"), ".");
    expect(path_folder("a/b/m.onnx"), "a/b");
    expect(path_folder("/m.onnx"), "/");
    expect(path_join("a", "b"), "a/b");
    expect(path_join("a", "/b"), "/b");
    expect(path_join(NULL, "b"), "b");
    expect(path_with_extension("a.b/m.onnx", ".job.json"), "a.b/m.job.json");
    expect(path_with_extension("a.b/m", ".x"), "a.b/m.x");
    expect(path_with_extension("a/.m", ".x"), "a/.m.x");
    expect(path_with_extension("m.2.onnx", ""), "m.2");
    expect(path_with_extension(".m", ".x"), ".m.x");
    expect(path_with_extension("a/b.m", ".x"), "a/b.x");
}

TEST(test_inside)
{
    static const struct {
        const char *path, *folder;
        bool inside;
    } cases[] = {{"/a/b", "/a", true}, {"/a/b/c", "/a", true},  {"/ab", "/a", false},  {"/a", "/a", false},
                 {"/b", "/", true},    {"/a/b", "/a/c", false}, {"/x/b", "/a", false}, {"/", "/", true}};
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(path_is_inside(cases[i].path, cases[i].folder), cases[i].inside);
}

TEST(test_confined)
{
    static const struct {
        const char *name, *words; /* NULL: allowed */
    } cases[] = {{"file", NULL},
                 {"./file", NULL},
                 {"..file", NULL},
                 {"folder/file..", NULL},
                 {"/etc/passwd", "'/etc/passwd' is an absolute path, expected a path in the folder '"},
                 {"..", "'..' goes up with '..', expected"},
                 {"../x", "goes up with '..'"},
                 {"folder/../file", "goes up with '..'"},
                 {"folder/..", "goes up with '..'"},
                 {"out", "'out' leads out of the folder '"},
                 {"none", "none: No such file"}};
    assert_int_equal(mkdir(in_folder("folder"), 0700), 0);
    static const char *const files[] = {"file", "..file", "folder/file.."};
    for (size_t i = 0; i < COUNT(files); i++)
        fclose(fopen(in_folder(files[i]), "w"));
    assert_int_equal(symlink("/etc", in_folder("out")), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        sib_error err = SIB_ERROR_INIT;
        char *out = NULL;
        const uint64_t before = check_held();
        const sib_code wanted = !cases[i].words         ? SIB_OK
                                : i + 1 == COUNT(cases) ? SIB_ERR_IO
                                                        : SIB_ERR_ARGUMENT;
        assert_int_equal(path_confined(folder, cases[i].name, &out, &err), wanted);
        assert_true(cases[i].words ? !out && strstr(err.message, cases[i].words) : out && !access(out, F_OK));
        mem_free(out);
        assert_int_equal(check_held(), before);
    }
}

static sib_code confined(sib_error *err)
{
    char *out = NULL;
    sib_code code = path_confined(folder, "file", &out, err);
    mem_free(out);
    return code;
}

TEST(test_memory)
{
    mem_fail_after(0);
    char *a = path_folder("a/b"), *b = path_join("a", "b"), *c = path_with_extension("a", "b"),
         *d = path_folder("a");
    mem_fail_never();
    assert_true(!a && !b && !c && !d);
    sib_error err = SIB_ERROR_INIT;
    CHECK_EVERY_ALLOCATION(confined(&err), (void)0);
}
