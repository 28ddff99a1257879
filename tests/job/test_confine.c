/* Untrusted documents: which files they may name. */
#include "check_memory.h"
#include "jobs.h"

#include "base/alloc.h"
#include "base/path.h"

#include <sys/stat.h>

#define DOCUMENT                                                                                             \
    "{\"sibyl_job\":1,\"kind\":\"x\",\"models\":{},\"tokenizers\":{\"t\":{\"file\":\"%s\",\"kind\":"         \
    "\"gpt2\"}},"                                                                                            \
    "\"calls\":{},\"inputs\":{\"words\":{\"type\":\"text\",\"default\":\"a\"}},\"nodes\":[{\"name\":"        \
    "\"ids\",\"op\":"                                                                                        \
    "\"tokenize\",\"tokenizer\":\"t\",\"inputs\":{\"text\":\"$words\"}}],\"outputs\":{\"ids\":\"$ids."       \
    "tokens\"}}"

static sib_code open_naming(const char *file, bool confine, sib_error *err)
{
    char text[2000];
    sib_job_options options = {.confine = confine, .threads = 1};
    sib_job *j = NULL;
    snprintf(text, sizeof text, DOCUMENT, file);
    sib_code code = sib_job_open_text(text, strlen(text), folder, &options, &j, err);
    sib_job_free(&j);
    return code;
}

/* A vocabulary of the 256 bytes, as ranks. */
static const char *ranks(void)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static char text[256 * 16];
    size_t n = 0;
    for (int i = 0; i < 256; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%c%c== %d\n", digits[i >> 2], digits[(i & 3) << 4],
                              i);
    return text;
}

TEST(files_of_its_folder_alone)
{
    sib_error err = SIB_ERROR_INIT;
    char outside[] = "/tmp/sibyl-outside-XXXXXX", up[400];
    int fd = mkstemp(outside);
    assert_true(fd >= 0 && write(fd, ranks(), strlen(ranks())) > 0 && close(fd) == 0);
    save_text("ranks", ranks());
    assert_int_equal(symlink("ranks", in_folder("inside")), 0);
    assert_int_equal(symlink(outside, in_folder("out")), 0);
    snprintf(up, sizeof up, "../%s", strrchr(outside, '/') + 1);
    const char *const refused[] = {outside, up, "./../x", "a/..", ".."};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        CHECK_FAILS(open_naming(refused[i], true, &err), SIB_ERR_ARGUMENT, err,
                    "expected a path in the folder");
    CHECK_FAILS(open_naming("out", true, &err), SIB_ERR_ARGUMENT, err, "leads out of the folder");
    CHECK_FAILS(open_naming("nothing", true, &err), SIB_ERR_IO, err, "nothing");
    CHECK_OK(open_naming("ranks", true, &err), err);
    CHECK_OK(open_naming("./inside", true, &err), err);
    CHECK_OK(open_naming(outside, false, &err), err);
    CHECK_OK(open_naming(up, false, &err), err);
    unlink(outside);
}

TEST(memory_may_fail_anywhere)
{
    save_text("ranks", ranks());
    char *path = NULL;
    sib_error err = SIB_ERROR_INIT;
    CHECK_SOME_ALLOCATIONS(check_k + 1, path_confined(folder, "ranks", &path, &err), {
        assert_true(err.code == SIB_OK || !path);
        mem_free(path);
        path = NULL;
    });
}

TEST_FIXTURE(make_folder, drop_folder)
