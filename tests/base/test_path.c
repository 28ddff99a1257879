#include "base/alloc.h"
#include "base/path.h"
#include "check.h"

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
}

TEST(test_memory)
{
    mem_fail_after(0);
    char *a = path_folder("a/b"), *b = path_join("a", "b"), *c = path_with_extension("a", "b"),
         *d = path_folder("a");
    mem_fail_never();
    assert_true(!a && !b && !c && !d);
}
