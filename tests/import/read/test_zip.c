/* Zip archives whose directory is wrong in every possible way. */
#include "torch_files.h"

static bytes pickle_of_one(void)
{
    static const int64_t six[] = {6}, one[] = {1};
    bytes b = {0};
    k_begin(&b);
    f_u8(&b, '}');
    k_text(&b, "w");
    k_tensor(&b, &(torch_tensor){"FloatStorage", "0", 6, 0, 1, six, one, false});
    f_text(&b, "s.");
    return b;
}

static const float six_floats[] = {1, 2, 3, 4, 5, 6};

/* An archive whose directory describes its storage as `lie` says. */
static bytes archive(const zip_lie *lie, bool wide_end)
{
    zip_writer z = {0};
    bytes p = pickle_of_one();
    zip_add(&z, "m/data.pkl", p.data, p.n, NULL);
    zip_add(&z, "m/data/0", six_floats, sizeof six_floats, lie);
    b_free(&p);
    return zip_end(&z, wide_end);
}

static void accepted(bytes b)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    CHECK_OK(file_open(b, &c, &err), err);
    file_check_weight(c, "w", 1, (const int64_t[]){6}, (const double[]){1, 2, 3, 4, 5, 6});
    checkpoint_free(&c);
}

TEST(test_accepted)
{
    accepted(archive(NULL, false));
    accepted(archive(NULL, true));
    accepted(archive(&(zip_lie){.wide = true}, true));
    accepted(archive(&(zip_lie){.wide = true}, false));
    accepted(archive(&(zip_lie){.flags = 8}, false)); /* sizes after the data */
    bytes b = archive(NULL, false);                   /* a comment at the end */
    b.data[b.n - 2] = 3;
    f_text(&b, "abc");
    accepted(b);
}

TEST(test_entries_refused)
{
    file_refused(archive(&(zip_lie){.method = 8}, false), SIB_ERR_UNSUPPORTED,
                 "'m/data/0' is compressed (method 8)");
    file_refused(archive(&(zip_lie){.method = 8, .size = 0xFFFFFFF0u, .packed = 24}, false),
                 SIB_ERR_UNSUPPORTED, "is compressed");
    file_refused(archive(&(zip_lie){.flags = 1}, false), SIB_ERR_UNSUPPORTED, "'m/data/0' is encrypted");
    file_refused(archive(&(zip_lie){.packed = 23}, false), SIB_ERR_FORMAT, "23 bytes packed and 24 unpacked");
    file_refused(archive(&(zip_lie){.size = 25}, false), SIB_ERR_FORMAT, "something else");
    file_refused(archive(&(zip_lie){.local_size = 25}, false), SIB_ERR_FORMAT, "something else");
    file_refused(archive(&(zip_lie){.size = 25, .flags = 8}, false), SIB_ERR_FORMAT,
                 "extend past the end of the archive");
    file_refused(archive(&(zip_lie){.size = UINT64_MAX, .flags = 8, .wide = true}, true), SIB_ERR_FORMAT,
                 "'m/data/0'");
    file_refused(
        archive(&(zip_lie){.size = UINT64_C(1) << 40, .local_size = UINT64_C(1) << 40, .wide = true}, true),
        SIB_ERR_FORMAT, "extend past the end of the archive");
    file_refused(archive(&(zip_lie){.local_name = "m/data/1"}, false), SIB_ERR_FORMAT, "another name");
    file_refused(archive(&(zip_lie){.header = 3}, false), SIB_ERR_FORMAT, "not where the directory says");
    file_refused(archive(&(zip_lie){.header = 0xFFFFFF00u}, false), SIB_ERR_FORMAT,
                 "not where the directory says");
    file_refused(archive(&(zip_lie){.header = UINT64_MAX - 3, .wide = true}, true), SIB_ERR_FORMAT,
                 "not where");
}

/* Two entries over the same bytes: the header of the second is inside the first. */
TEST(test_overlap)
{
    zip_writer inner = {0}, z = {0};
    bytes p = pickle_of_one();
    zip_add(&inner, "m/data/0", six_floats, sizeof six_floats, NULL);
    zip_add(&z, "m/data.pkl", p.data, p.n, NULL);
    zip_add(&z, "m/data/1", inner.out.data, inner.out.n, NULL);
    uint64_t header = z.out.n - inner.out.n;
    zip_writer again = z;
    size_t n = again.out.n;
    zip_add(&again, "m/data/0", six_floats, sizeof six_floats, &(zip_lie){.header = header});
    again.out.n = n; /* only the directory has the second entry */
    b_free(&inner.out);
    b_free(&inner.directory);
    b_free(&p);
    file_refused(zip_end(&again, false), SIB_ERR_FORMAT, "'m/data/0' overlaps entry 'm/data/1'");
}

TEST(test_names)
{
    zip_writer z = {0};
    bytes p = pickle_of_one();
    zip_add(&z, "m/data.pkl", p.data, p.n, NULL);
    zip_add(&z, "m/data.pkl", p.data, p.n, NULL);
    file_refused(zip_end(&z, false), SIB_ERR_FORMAT, "'m/data.pkl' occurs twice");
    zip_add(&z, "m/data.pkl", p.data, p.n, NULL);
    zip_add(&z, "n/data.pkl", p.data, p.n, NULL);
    file_refused(zip_end(&z, false), SIB_ERR_FORMAT, "'m/data.pkl' and 'n/data.pkl'");
    zip_add(&z, "m/other", p.data, p.n, NULL);
    file_refused(zip_end(&z, false), SIB_ERR_FORMAT, "no data.pkl");
    zip_add(&z, "m/data.pkl", p.data, p.n, NULL);
    zip_add(&z, "m/constants.pkl", p.data, p.n, NULL);
    file_refused(zip_end(&z, false), SIB_ERR_UNSUPPORTED, "TorchScript");
    zip_add(&z, "m/data.pkl", p.data, p.n, NULL);
    zip_add(&z, "m/byteorder", "big", 3, NULL);
    file_refused(zip_end(&z, false), SIB_ERR_UNSUPPORTED, "byte order is 'big'");
    b_free(&p);
}

/* An archive with its last record changed. what: bytes from its signature on. */
static bytes with_end(size_t at, const char *what, size_t n)
{
    bytes b = archive(NULL, false);
    memcpy(b.data + b.n - 22 + at, what, n);
    return b;
}

TEST(test_end)
{
    file_refused(with_end(0, "XX", 2), SIB_ERR_FORMAT, "no directory at its end");
    file_refused(with_end(20, "\1", 1), SIB_ERR_FORMAT, "no directory at its end");
    file_refused(with_end(4, "\1", 1), SIB_ERR_UNSUPPORTED, "several disks");
    file_refused(with_end(10, "\xFF\xFF", 2), SIB_ERR_FORMAT, "but declares 65535");
    file_refused(with_end(12, "\xFF\xFF\xFF\x7F", 4), SIB_ERR_FORMAT, "extends past the end of the file");
    file_refused(with_end(16, "\xFF\xFF\xFF\x7F", 4), SIB_ERR_FORMAT, "extends past the end of the file");
    file_refused(with_end(16, "\0\0\0\0", 4), SIB_ERR_FORMAT, "directory is damaged");
    bytes b = archive(NULL, true);
    b.data[b.n - 22 - 20 + 8]++; /* the offset in the locator */
    file_refused(b, SIB_ERR_FORMAT, "64-bit end record is not where its locator says");
    b = archive(NULL, true);
    memset(b.data + b.n - 22 - 20 - 56 + 32, 0xFF, 8); /* its number of entries */
    file_refused(b, SIB_ERR_FORMAT, "has room for 2 entries");
}
