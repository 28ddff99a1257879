/* The driver `cuda` on the fake libraries of fake/, to which LD_LIBRARY_PATH leads: its cache, and what fails. */
#include "check_memory.h"
#include "gpu/cuda_cache.h"
#include "gpu/fake/fake.h"
#include "gpu/record.h"
#include "rig.h"

#include <dirent.h>
#include <dlfcn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static fake_fail *make_fail;
static fake_count *compiled;
static fake_calls *calls;
static char cache[] = "/tmp/sibyl-cuda-XXXXXX";

static int find_fakes(void)
{
    void *cuda = dlopen("libcuda.so.1", RTLD_NOW), *compiler = dlopen("libnvrtc.so.12", RTLD_NOW);
    void *at[3] = {cuda ? dlsym(cuda, "fake_cuda_fail") : NULL,
                   compiler ? dlsym(compiler, "fake_nvrtc_compiled") : NULL,
                   cuda ? dlsym(cuda, "fake_cuda_calls") : NULL};
    memcpy(&make_fail, &at[0], sizeof make_fail);
    memcpy(&compiled, &at[1], sizeof compiled);
    memcpy(&calls, &at[2], sizeof calls);
    if (!make_fail || !compiled || !calls || !mkdtemp(cache)) {
        fprintf(stderr, "LD_LIBRARY_PATH does not lead to the fake libraries\n");
        exit(77);
    }
    setenv("XDG_CACHE_HOME", cache, 1);
    return 0;
}

/* Calls `what` for each file of the cache; returns how many there are. */
static int each_file(void (*what)(const char *path))
{
    char folder[300], path[600];
    int n = 0;
    snprintf(folder, sizeof folder, "%s/sibyl", cache);
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            n++;
            if (what)
                what(path);
        }
    if (d)
        closedir(d);
    return n;
}

static void delete_file(const char *path)
{
    unlink(path);
}

static int delete_cache(void)
{
    char folder[300];
    each_file(delete_file);
    snprintf(folder, sizeof folder, "%s/sibyl", cache);
    rmdir(folder);
    rmdir(cache);
    return 0;
}
TEST_FIXTURE(find_fakes, delete_cache)

static void open_device(void)
{
    sib_error err = SIB_ERROR_INIT;
    make_fail("", 0, 0);
    CHECK_OK(gpu_open("cuda", &rig, &err), err);
}

/* Sums of 1 to 4, on a device of its own. */
static void sum(void)
{
    const float x[4] = {1, 2, 3, 4};
    float y = 0;
    gpu_range all[] = {rig_buffer(4, x), rig_buffer(1, NULL)};
    rig_launch(GPU_reduce, 2, all, &(gpu_reduce_args){PAIR_SUM, 1, 4, 1, 1}, 1, 1, 1);
    rig_read(all[1], &y);
    assert_true(y == 10);
    rig_free(2, all);
}

/* Kernels that a new device compiles to sum. */
static int compiles(void)
{
    const int before = compiled();
    open_device();
    sum();
    gpu_close(&rig);
    return compiled() - before;
}

/* ---- The cache ----------------------------------------------------------------------------------------- */

static void shorten(const char *path)
{
    struct stat s;
    assert_int_equal(stat(path, &s), 0);
    assert_int_equal(truncate(path, s.st_size - 1), 0);
}

static void lengthen(const char *path)
{
    FILE *f = fopen(path, "ab");
    fputc('x', f);
    fclose(f);
}

static void spoil_at(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    const int c = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(c ^ 1, f);
    fclose(f);
}

static void spoil_magic(const char *path)
{
    spoil_at(path, 0);
}

static void spoil_size(const char *path)
{
    spoil_at(path, 22); /* a size that is no file's */
}

static void spoil_key(const char *path)
{
    spoil_at(path, 40);
}

static void spoil_image(const char *path)
{
    spoil_at(path, -2);
}

static void empty(const char *path)
{
    assert_int_equal(truncate(path, 0), 0);
}

TEST(test_cache)
{
    static void (*const damages[])(const char *) = {shorten,   lengthen,    spoil_magic, spoil_size,
                                                    spoil_key, spoil_image, empty,       delete_file};
    assert_int_equal(compiles(), 1);
    assert_int_equal(each_file(NULL), 1);
    assert_int_equal(compiles(), 0);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        each_file(damages[i]);
        assert_int_equal(compiles(), 1);
        assert_int_equal(compiles(), 0);
    }
    assert_int_equal(each_file(NULL), 1);
}

/* An image that is whole and that the driver does not load, as of another one. */
TEST(test_foreign_image)
{
    char key[200], foreign[] = "no image";
    cuda_image image = {foreign, sizeof foreign}, kept;
    snprintf(key, sizeof key, "kernel reduce for sm_90, driver 12080, text %016llx",
             (unsigned long long)cuda_text_hash(GPU_reduce));
    char *path = cuda_cache_path(key);
    compiles();
    assert_true(cuda_cache_read(path, key, &kept));
    mem_free(kept.bytes);
    assert_false(cuda_cache_read(path, "another key", &kept));
    cuda_cache_write(path, key, &image);
    assert_int_equal(compiles(), 1);
    assert_int_equal(compiles(), 0);
    mem_free(path);
}

TEST(test_no_cache)
{
    setenv("XDG_CACHE_HOME", "/nonexistent/cache", 1);
    assert_int_equal(compiles(), 1);
    assert_int_equal(compiles(), 1);
    setenv("XDG_CACHE_HOME", "", 1);
    unsetenv("HOME");
    assert_int_equal(compiles(), 1);
    setenv("XDG_CACHE_HOME", cache, 1);
}

/* Processes that begin at once; each reads nothing or a whole file. */
TEST(test_processes)
{
    pid_t children[8];
    each_file(delete_file);
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        if (!children[i]) {
            for (int k = 0; k < 20; k++) {
                if (k % 3 == i % 3)
                    each_file(delete_file);
                if (compiles() > 1)
                    _exit(1);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < 8; i++) {
        int status = 1;
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    compiles();
    assert_int_equal(each_file(NULL), 1);
}

/* ---- What fails ---------------------------------------------------------------------------------------- */

static sib_code try_sum(sib_error *err)
{
    const float x[4] = {1, 2, 3, 4};
    float y = 0;
    uint64_t ns;
    gpu_buffer *all[2] = {NULL, NULL};
    sib_code code = gpu_alloc(rig, 16, &all[0], err);
    if (code == SIB_OK)
        code = gpu_alloc(rig, 4, &all[1], err);
    const gpu_range ranges[2] = {{all[0], 0, 16}, {all[1], 0, 4}};
    if (code == SIB_OK)
        code = gpu_upload(rig, ranges[0], x, err);
    if (code == SIB_OK)
        code = gpu_launch(rig, GPU_reduce, 2, ranges, &(gpu_reduce_args){PAIR_SUM, 1, 4, 1, 1},
                          (const uint32_t[]){1, 1, 1}, err);
    if (code == SIB_OK)
        code = gpu_download(rig, ranges[1], &y, err);
    if (code == SIB_OK)
        code = gpu_finish(rig, &ns, err);
    gpu_free(rig, &all[0]);
    gpu_free(rig, &all[1]);
    return code;
}

/* Each call of the driver fails: an error, no crash, and a new device afterwards. Lost devices stay so. */
TEST(test_failures)
{
    static const struct {
        const char *call;
        int after, result;
        sib_code code;
        const char *says;
        bool lost;
    } cases[] = {
        {"mem_alloc", 0, 2, SIB_ERR_MEMORY, "the device is out of memory", false},
        {"copy_in", 0, 700, SIB_ERR_UNSUPPORTED, "illegal memory access", true},
        {"launch", 0, 701, SIB_ERR_UNSUPPORTED, "reduce: error 701", true},
        {"launch", 0, 2, SIB_ERR_MEMORY, "the device is out of memory",
         true}, /* what was listed with it is gone */
        {"copy_out", 0, 719, SIB_ERR_UNSUPPORTED, "error 719", true},
        {"event_query", 0, 214, SIB_ERR_UNSUPPORTED, "error 214", true},
        {"event_query", 0, 600, SIB_ERR_UNSUPPORTED, "does not answer", true},
        {"event_record", 0, 999, SIB_ERR_UNSUPPORTED, "error 999", true},
        {"event_record", 1, 999, SIB_ERR_UNSUPPORTED, "error 999", true},
        {"event_record", 2, 999, SIB_ERR_UNSUPPORTED, "error 999", true},
        {"module_load", 0, 209, SIB_ERR_UNSUPPORTED, "reduce: error 209", false},
        {"module_function", 0, 500, SIB_ERR_UNSUPPORTED, "gpu_reduce: error 500", false},
    };
    gpu_wait_ns = 50000000;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_error err = SIB_ERROR_INIT;
        gpu_device *again;
        open_device();
        make_fail(cases[i].call, cases[i].after, cases[i].result);
        CHECK_FAILS(try_sum(&err), cases[i].code, err, cases[i].says);
        make_fail("", 0, 0);
        err = (sib_error)SIB_ERROR_INIT;
        if (cases[i].lost)
            CHECK_FAILS(try_sum(&err), SIB_ERR_UNSUPPORTED, err, "the device is lost");
        else
            CHECK_OK(try_sum(&err), err);
        err = (sib_error)SIB_ERROR_INIT;
        CHECK_OK(gpu_open("cuda", &again, &err), err);
        assert_true((again == rig) == !cases[i].lost);
        gpu_close(&rig);
        rig = again;
        sum();
        gpu_close(&rig);
    }
}

TEST(test_open)
{
    static const char *const opening[] = {"init", "context_retain", "stream_create", "host_alloc"};
    sib_error err = SIB_ERROR_INIT;
    for (size_t i = 0; i < sizeof opening / sizeof *opening; i++)
        for (int after = 0; after < (i == 3 ? 2 : 1); after++) {
            err = (sib_error)SIB_ERROR_INIT;
            make_fail(opening[i], after, 999);
            CHECK_FAILS(gpu_open("cuda", &rig, &err), SIB_ERR_UNSUPPORTED, err, "error 999");
            assert_null(rig);
        }
    make_fail("init", 0, 100);
    err = (sib_error)SIB_ERROR_INIT;
    CHECK_FAILS(gpu_open("cuda", &rig, &err), SIB_ERR_UNSUPPORTED, err, "there is no device");
    make_fail("", 0, 0);
    err = (sib_error)SIB_ERROR_INIT;
    CHECK_FAILS(gpu_open("cuda:2", &rig, &err), SIB_ERR_UNSUPPORTED, err, "no device 2; the last one is 1");
    err = (sib_error)SIB_ERROR_INIT;
    CHECK_FAILS(gpu_open("cuda:x", &rig, &err), SIB_ERR_ARGUMENT, err, "the number of a device");
    CHECK_OK(gpu_open("cuda:1", &rig, &err), err);
    assert_string_equal(rig->name, "fake device 1");
    gpu_close(&rig);
}

/* The compiler's complaint is in the message, and nothing is kept. */
TEST(test_compiler)
{
    sib_error err = SIB_ERROR_INIT;
    each_file(delete_file);
    open_device();
    setenv("FAKE_NVRTC_REFUSES", "1", 1);
    CHECK_FAILS(try_sum(&err), SIB_ERR_UNSUPPORTED, err, "reduce(7): error: refused");
    unsetenv("FAKE_NVRTC_REFUSES");
    assert_int_equal(each_file(NULL), 0);
    sum();
    gpu_close(&rig);
}

/* ---- Graphs -------------------------------------------------------------------------------------------- */

/* Launches of a list: more than make the first graph, and the rest makes one too. */
#define SUMS 40

static gpu_range numbers, sums[SUMS];

/* words: of the buffer of numbers. */
static void make_sums(size_t words)
{
    float x[2 * SUMS];
    sib_error err = SIB_ERROR_INIT;
    for (int i = 0; i < 2 * SUMS; i++)
        x[i] = (float)(i + 1);
    numbers = rig_buffer(words, NULL);
    CHECK_OK(gpu_upload(rig, (gpu_range){numbers.buffer, 0, sizeof x}, x, &err), err);
    for (int i = 0; i < SUMS; i++)
        sums[i] = rig_buffer(1, NULL);
}

static void free_sums(void)
{
    rig_free(1, &numbers);
    rig_free(SUMS, sums);
}

/* The numbers that launch i sums: i + 1, and `more` where it is `odd`, or where that is -1. */
static uint32_t summed(uint32_t i, int odd, uint32_t more)
{
    return i + 1 + (odd == -1 || odd == (int)i ? more : 0);
}

/* Launches the first n of them, and looks at what they gave. */
static sib_code launch_sums(int odd, uint32_t more, uint32_t n, sib_error *err)
{
    const uint32_t one[3] = {1, 1, 1};
    sib_code code = SIB_OK;
    for (uint32_t i = 0; i < n && code == SIB_OK; i++)
        code = gpu_launch(rig, GPU_reduce, 2, (gpu_range[]){numbers, sums[i]},
                          &(gpu_reduce_args){PAIR_SUM, 1, summed(i, odd, more), 1, 1}, one, err);
    for (uint32_t i = 0; i < n && code == SIB_OK; i++) {
        float y = 0;
        const uint32_t count = summed(i, odd, more);
        code = gpu_download(rig, sums[i], &y, err);
        assert_true(code != SIB_OK || y == (float)(count * (count + 1) / 2));
    }
    return code;
}

static void expect_calls(int odd, uint32_t more, uint32_t n, fake_counts expected)
{
    sib_error err = SIB_ERROR_INIT;
    const fake_counts before = calls();
    CHECK_OK(launch_sums(odd, more, n, &err), err);
    const fake_counts after = calls();
    assert_int_equal(after.launches - before.launches, expected.launches);
    assert_int_equal(after.graphs - before.graphs, expected.graphs);
    assert_int_equal(after.changes - before.changes, expected.changes);
    assert_int_equal(after.graph_launches - before.graph_launches, expected.graph_launches);
}

/* What comes again becomes a graph, once; what changes little is changed in it; short lists are launched as they are; where all that may be
   kept are there, the oldest of those with the same kernels is changed. */
TEST(test_graphs)
{
    const size_t alone =
        (size_t)17 << 20; /* more than memory has that buffers share, so that it goes with it */
    open_device();
    for (int k = 0; k < 2; k++) { /* and with memory that lies where the last one was */
        make_sums(alone);
        expect_calls(-1, 0, SUMS, (fake_counts){.launches = SUMS});
        expect_calls(-1, 0, SUMS, (fake_counts){.graphs = 2, .graph_launches = 2});
        expect_calls(-1, 0, SUMS, (fake_counts){.graph_launches = 2});
        expect_calls(3, 2, SUMS, (fake_counts){.changes = 1, .graph_launches = 2});
        expect_calls(3, 2, SUMS, (fake_counts){.graph_launches = 2});
        expect_calls(30, 1, SUMS, (fake_counts){.changes = 2, .graph_launches = 2});
        expect_calls(-1, 0, SUMS, (fake_counts){.changes = 1, .graph_launches = 2});
        for (int again = 0; again < 3; again++)
            expect_calls(-1, 0, 3, (fake_counts){.launches = 3});
        assert_true(rig->recorded < rig->submitted);
        free_sums();
    }
    make_sums(alone);
    for (uint32_t more = 0; more < GPU_RECORDS; more++) { /* twice as many lists as are kept */
        const bool room = more < GPU_RECORDS / 2;
        expect_calls(-1, more, SUMS,
                     room ? (fake_counts){.launches = SUMS}
                          : (fake_counts){.changes = SUMS, .graph_launches = 2});
        expect_calls(-1, more, SUMS,
                     room ? (fake_counts){.graphs = 2, .graph_launches = 2}
                          : (fake_counts){.graph_launches = 2});
    }
    expect_calls(-1, GPU_RECORDS - 1, 10, (fake_counts){.launches = 10}); /* in place of the oldest */
    expect_calls(-1, GPU_RECORDS - 1, 10, (fake_counts){.graphs = 1, .graph_launches = 1});
    expect_calls(-1, GPU_RECORDS - 1, SUMS, (fake_counts){.graph_launches = 2});
    free_sums();
    gpu_close(&rig);
}

/* Where the driver makes no graph, or changes none, the list is launched as it is, now and later. */
TEST(test_no_graphs)
{
    static const char *const refusals[] = {"graph_create", "graph_add", "graph_instantiate", "graph_change"};
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        const bool changed = i == 3;
        open_device();
        make_sums(2 * SUMS);
        expect_calls(-1, 0, 16, (fake_counts){.launches = 16});
        if (changed)
            expect_calls(-1, 0, 16, (fake_counts){.graphs = 1, .graph_launches = 1});
        make_fail(refusals[i], 0, 2);
        expect_calls(changed ? 5 : -1, changed, 16, (fake_counts){.launches = 16});
        make_fail("", 0, 0);
        expect_calls(changed ? 5 : -1, changed, 16, (fake_counts){.launches = 16});
        assert_false(rig->lost);
        free_sums();
        gpu_close(&rig);
    }
}

/* A graph that fails takes the device with it, and so does a fault while one is made. */
TEST(test_lost_graphs)
{
    static const struct {
        const char *call;
        int result;
        sib_code code;
    } cases[] = {{"graph_launch", 2, SIB_ERR_MEMORY},
                 {"graph_launch", 719, SIB_ERR_UNSUPPORTED},
                 {"graph_create", 700, SIB_ERR_UNSUPPORTED},
                 {"graph_add", 700, SIB_ERR_UNSUPPORTED},
                 {"graph_instantiate", 700, SIB_ERR_UNSUPPORTED},
                 {"graph_change", 700, SIB_ERR_UNSUPPORTED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sib_error err = SIB_ERROR_INIT;
        open_device();
        make_sums(2 * SUMS);
        for (int k = 0; k < (i == 5 ? 2 : 1); k++)
            CHECK_OK(launch_sums(-1, 0, SUMS, &err), err);
        make_fail(cases[i].call, 0, cases[i].result);
        CHECK_FAILS(launch_sums(i == 5 ? 5 : -1, i == 5, SUMS, &err), cases[i].code, err, "CUDA: ");
        make_fail("", 0, 0);
        err = (sib_error)SIB_ERROR_INIT;
        CHECK_FAILS(launch_sums(-1, 0, SUMS, &err), SIB_ERR_UNSUPPORTED, err, "the device is lost");
        free_sums();
        gpu_close(&rig);
    }
}

/* ---- Copies -------------------------------------------------------------------------------------------- */

/* Copies that take all stages several times over, and bytes that end in the middle of a word. */
TEST(test_large_copies)
{
    sib_error err = SIB_ERROR_INIT;
    const size_t bytes = ((size_t)9 << 20) + 5;
    unsigned char *from = mem_alloc(bytes, 1), *to = mem_calloc(bytes, 1);
    open_device();
    gpu_range r = {.bytes = bytes};
    CHECK_OK(gpu_alloc(rig, bytes + GPU_ALIGN, &r.buffer, &err), err);
    for (size_t i = 0; i < bytes; i++)
        from[i] = (unsigned char)(i * 7 ^ i >> 11);
    r.offset = GPU_ALIGN;
    CHECK_OK(gpu_upload(rig, r, from, &err), err);
    unsigned char *copy = mem_alloc(bytes, 1);
    memcpy(copy, from, bytes);
    memset(from, 0, bytes); /* it was read before gpu_upload returned */
    CHECK_OK(gpu_download(rig, r, to, &err), err);
    assert_memory_equal(to, copy, bytes);
    rig_free(1, &r);
    gpu_close(&rig);
    mem_free(copy);
    mem_free(from);
    mem_free(to);
}

/* Every allocation of the host's fails once. */
TEST(test_memory)
{
    sib_error err;
    CHECK_SOME_ALLOCATIONS(check_k + 1, gpu_open("cuda", &rig, &err), gpu_close(&rig));
    CHECK_OK(gpu_open("cuda", &rig, &err), err);
    CHECK_FAILED_ALLOCATIONS(check_k + 1, try_sum(&err), each_file(delete_file));
    gpu_close(&rig);
}
