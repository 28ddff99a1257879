/* Files beyond 4 GiB, mostly holes on disk: opened without reading them, and read at offsets beyond 32
   bits. */
#include "folder.h"
#include "torch_files.h"

#include <sys/stat.h>
#include <unistd.h>

#define HOLE (UINT64_C(5) << 30)

/* A file of `first` bytes, a hole, and the rest. Returns false if the file system does not support it. */
static bool save(const char *path, bytes b, size_t first)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b.data, 1, first, f), first);
    bool ok =
        fseeko(f, (off_t)HOLE, SEEK_CUR) == 0 && fwrite(b.data + first, 1, b.n - first, f) == b.n - first;
    ok &= fclose(f) == 0;
    b_free(&b);
    return ok;
}

/* Checks that weight "end" holds 1 to 6, and "hole" zeros. */
static void check(const char *path)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    sib_tensor *t = NULL;
    float last[2];
    uint64_t count;
    CHECK_OK(checkpoint_open(&path, 1, &c, &err), err);
    const weight *hole = checkpoint_find(c, "hole"), *end = checkpoint_find(c, "end");
    assert_true(hole && end && end->offset > HOLE);
    assert_true(weight_count(hole, &count));
    assert_true(count == HOLE / 4);
    CHECK_OK(weight_read(hole, count - 2, 2, SIB_F32, last, &err), err);
    assert_true(last[0] == 0 && last[1] == 0);
    file_check_weight(c, "end", 1, (const int64_t[]){6}, (const double[]){1, 2, 3, 4, 5, 6});
    CHECK_OK(weight_view(c, hole, &t, &err), err);
    assert_true(sib_tensor_count(t) == count);
    sib_tensor_free(&t);
    checkpoint_free(&c);
    unlink(path);
}

static const float six[] = {1, 2, 3, 4, 5, 6};

TEST(test_safetensors)
{
    char path[100], header[400];
    snprintf(path, sizeof path, "%s/large.safetensors", folder);
    snprintf(header, sizeof header,
             "{\"hole\":{\"dtype\":\"F32\",\"shape\":[%llu],\"data_offsets\":[0,%llu]},"
             "\"end\":{\"dtype\":\"F32\",\"shape\":[6],\"data_offsets\":[%llu,%llu]}}",
             (unsigned long long)HOLE / 4, (unsigned long long)HOLE, (unsigned long long)HOLE,
             (unsigned long long)HOLE + 24);
    if (!save(path, file_safetensors(header, six, sizeof six), 8 + strlen(header)))
        CHECK_SKIP("a disk that takes files of 5 GiB");
    check(path);
}

TEST(test_pytorch)
{
    static const int64_t one[] = {1}, n_six[] = {6}, n_hole[] = {(int64_t)(HOLE / 4)};
    char path[100];
    bytes p = {0};
    k_begin(&p);
    f_text(&p, "}(");
    k_text(&p, "hole");
    k_tensor(&p, &(torch_tensor){"FloatStorage", "0", (int64_t)(HOLE / 4), 0, 1, n_hole, one, false});
    k_text(&p, "end");
    k_tensor(&p, &(torch_tensor){"FloatStorage", "1", 6, 0, 1, n_six, one, false});
    f_text(&p, "u.");
    zip_writer z = {0};
    zip_add(&z, "m/data.pkl", p.data, p.n, NULL);
    b_free(&p);
    zip_add(&z, "m/data/0", NULL, 0, &(zip_lie){.size = HOLE, .local_size = HOLE, .wide = true});
    size_t first = z.out.n;
    z.hole = HOLE;
    zip_add(&z, "m/data/1", six, sizeof six, &(zip_lie){.wide = true});
    snprintf(path, sizeof path, "%s/large.pt", folder);
    if (!save(path, zip_end(&z, true), first))
        CHECK_SKIP("a disk that takes files of 5 GiB");
    check(path);
}

TEST(test_gguf)
{
    static const int64_t n_six[] = {6}, n_hole[] = {(int64_t)(HOLE / 4)};
    char path[100];
    bytes b = file_gguf(3, 2, 0);
    file_gguf_tensor(&b, "hole", 0, 1, n_hole, 0);
    file_gguf_tensor(&b, "end", 0, 1, n_six, HOLE);
    file_pad(&b, 32);
    size_t first = b.n;
    b_append(&b, six, sizeof six);
    snprintf(path, sizeof path, "%s/large.gguf", folder);
    if (!save(path, b, first))
        CHECK_SKIP("a disk that takes files of 5 GiB");
    check(path);
}

TEST_FIXTURE(make_folder, drop_folder)
