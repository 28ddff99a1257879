#include "folder.h"

#include <sibyl/npy_file.h>

static sib_npz_entry *make_entries(size_t n, check_random *random)
{
    static char names[32][16];
    static sib_npz_entry entries[32];
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], i % 5 == 4 ? "m\xC3\xA9l/%zu" : "array_%zu", i);
        entries[i] = (sib_npz_entry){names[i], random_tensor(all_dtypes[i % N_DTYPES], i % 4,
                                                             (int64_t[]){3, (int64_t)(i % 7), 5}, random)};
    }
    return entries;
}

static void drop_entries(sib_npz_entry *entries, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sib_tensor_free(&entries[i].tensor);
}

static void check_same(const sib_npz_entry *a, size_t n_a, const sib_npz_entry *b, size_t n_b)
{
    assert_int_equal(n_a, n_b);
    for (size_t i = 0; i < n_a; i++) {
        assert_string_equal(a[i].name, b[i].name);
        assert_true(same_bits(a[i].tensor, b[i].tensor));
    }
}

TEST(archives_come_back)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {8};
    const char *path = in_folder("a.npz");
    sib_npz_entry *entries = make_entries(30, &random), *back;
    size_t n;
    for (int compress = 0; compress < 2; compress++) {
        static const size_t counts[] = {0, 1, 30};
        for (size_t k = 0; k < 3; k++) {
            CHECK_OK(sib_npz_save(path, entries, counts[k], compress, &err), err);
            CHECK_OK(sib_npz_load(path, &back, &n, &err), err);
            check_same(entries, counts[k], back, n);
            sib_npz_free(&back, n);
            assert_null(back);
            assert_int_equal(files_in_folder(), 1);
        }
    }
    sib_npz_free(&back, 0);
    sib_npz_free(NULL, 0);
    drop_entries(entries, 30);
}

TEST(views_and_sizes)
{
    sib_error err = SIB_ERROR_INIT;
    const char *path = in_folder("a.npz");
    sib_tensor *t, *view;
    sib_npz_entry *back;
    size_t n, stored, deflated;
    CHECK_OK(sib_tensor_create(SIB_F32, 2, (int64_t[]){300, 200}, &t, &err), err);
    for (int64_t i = 0; i < 300; i++)
        CHECK_OK(sib_tensor_set(t, (int64_t[]){i, i % 200}, (double)i, &err), err);
    CHECK_OK(sib_tensor_transpose(t, (int64_t[]){1, 0}, &view, &err), err);
    sib_npz_entry entry = {(char *)"x", view};
    CHECK_OK(sib_npz_save(path, &entry, 1, false, &err), err);
    free(read_whole(path, &stored));
    CHECK_OK(sib_npz_save(path, &entry, 1, true, &err), err);
    unsigned char *first = read_whole(path, &deflated);
    assert_true(stored > 240000 && deflated < 20000);
    CHECK_OK(sib_npz_load(path, &back, &n, &err), err);
    check_same(&entry, 1, back, n);
    sib_npz_free(&back, n);
    /* equal arrays make equal archives */
    CHECK_OK(sib_npz_save(path, &entry, 1, true, &err), err);
    unsigned char *second = read_whole(path, &n);
    assert_int_equal(n, deflated);
    assert_memory_equal(first, second, n);
    assert_memory_equal(first + 10, "\0\0\x21\0", 4); /* whenever they are written */
    free(first), free(second);
    sib_tensor_free(&t), sib_tensor_free(&view);
}

/* numpy.savez(f, a=numpy.arange(3, dtype="u1")), and a member that is not an array. */
static void put16(unsigned char **at, unsigned value)
{
    *(*at)++ = (unsigned char)(value & 0xFF);
    *(*at)++ = (unsigned char)(value >> 8);
}

static void put32(unsigned char **at, uint32_t value)
{
    put16(at, value & 0xFFFF);
    put16(at, value >> 16);
}

static uint32_t crc_of(const unsigned char *data, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        crc ^= data[i];
        for (int b = 0; b < 8; b++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
    }
    return ~crc;
}

/* An archive of stored members, built by hand. method and claimed: values in its directory. */
static size_t make_zip(unsigned char *out, const char *const *names, const unsigned char *const *data,
                       const size_t *bytes, size_t n, unsigned method, size_t claimed)
{
    unsigned char *at = out;
    size_t offsets[4];
    for (int directory = 0; directory < 2; directory++) {
        unsigned char *start = at;
        for (size_t i = 0; i < n; i++) {
            size_t size = claimed ? claimed : bytes[i], length = strlen(names[i]);
            if (!directory)
                offsets[i] = (size_t)(at - out);
            put32(&at, directory ? 0x02014B50 : 0x04034B50);
            if (directory)
                put16(&at, 20);
            put16(&at, 20), put16(&at, 0), put16(&at, method), put16(&at, 0), put16(&at, 0x21);
            put32(&at, crc_of(data[i], bytes[i])), put32(&at, (uint32_t)bytes[i]), put32(&at, (uint32_t)size);
            put16(&at, (unsigned)length), put16(&at, 0);
            if (directory)
                put16(&at, 0), put16(&at, 0), put16(&at, 0), put32(&at, 0), put32(&at, (uint32_t)offsets[i]);
            memcpy(at, names[i], length);
            at += length;
            if (!directory) {
                memcpy(at, data[i], bytes[i]);
                at += bytes[i];
            }
        }
        if (directory) {
            size_t size = (size_t)(at - start), offset = (size_t)(start - out);
            put32(&at, 0x06054B50), put16(&at, 0), put16(&at, 0), put16(&at, (unsigned)n),
                put16(&at, (unsigned)n);
            put32(&at, (uint32_t)size), put32(&at, (uint32_t)offset), put16(&at, 0);
        }
    }
    return (size_t)(at - out);
}

static size_t array_bytes(unsigned char *out)
{
    static const char text[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }\n";
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = sizeof text - 1;
    out[9] = 0;
    memcpy(out + 10, text, sizeof text - 1);
    memcpy(out + 10 + sizeof text - 1, "\1\2\3", 3);
    return 10 + sizeof text - 1 + 3;
}

TEST(archives_of_others)
{
    sib_error err = SIB_ERROR_INIT;
    unsigned char member[128], zip[1024];
    const char *const names[] = {"read.me", "a.npy", "sub/", "sub/b.npy"};
    const unsigned char *const data[] = {(const unsigned char *)"words", member, member, member};
    const size_t n_member = array_bytes(member), bytes[] = {5, n_member, 0, n_member};
    sib_npz_entry *entries;
    size_t n, size = make_zip(zip, names, data, bytes, 4, 0, 0);
    CHECK_OK(sib_npz_load(write_file("b.npz", zip, size), &entries, &n, &err), err);
    assert_int_equal(n, 2);
    assert_string_equal(entries[0].name, "a");
    assert_string_equal(entries[1].name, "sub/b");
    assert_memory_equal(sib_tensor_data(entries[1].tensor), "\1\2\3", 3);
    sib_npz_free(&entries, n);
    /* damaged data: the checksum differs */
    zip[30 + 7 + 5 + 30 + 5 + n_member - 1] ^= 1;
    CHECK_FAILS(sib_npz_load(write_file("b.npz", zip, size), &entries, &n, &err), SIB_ERR_FORMAT, err,
                "array 'a'");
    assert_true(entries == NULL && n == 0);
    size = make_zip(zip, names + 1, data + 1, bytes + 1, 1, 93, 0); /* an unsupported method */
    sib_code code = sib_npz_load(write_file("b.npz", zip, size), &entries, &n, &err);
    assert_true(code == SIB_ERR_UNSUPPORTED || code == SIB_ERR_FORMAT);
    memset(&err, 0, sizeof err);
    size =
        /* invalid deflate data that claims to be huge */
        make_zip(zip, names + 1, data + 1, bytes + 1, 1, 8, 1u << 30);
    CHECK_FAILS(sib_npz_load(write_file("b.npz", zip, size), &entries, &n, &err), SIB_ERR_FORMAT, err,
                "array 'a'");
    size = make_zip(zip, names + 1, data + 1, (size_t[]){20}, 1, 0, 0); /* a truncated member */
    CHECK_FAILS(sib_npz_load(write_file("b.npz", zip, size), &entries, &n, &err), SIB_ERR_FORMAT, err,
                "array 'a'");
}

/* Reading a damaged archive fails with a message or succeeds; nothing leaks or is overrun. */
TEST(cut_and_damaged_archives)
{
    sib_error err = SIB_ERROR_INIT;
    unsigned char member[128], zip[1024], bytes[1024];
    const char *const names[] = {"a.npy", "b.npy"};
    const unsigned char *const data[] = {member, member};
    size_t n_member = array_bytes(member), n,
           size = make_zip(zip, names, data, (size_t[]){n_member, n_member}, 2, 0, 0);
    sib_npz_entry *entries;
    for (size_t length = 0; length < size; length += length < 24 ? 1 : 5) {
        sib_code code = sib_npz_load(write_file("c.npz", zip, length), &entries, &n, &err);
        assert_int_equal(code, SIB_ERR_FORMAT);
        assert_true(strstr(err.message, "c.npz") && !entries && n == 0);
        memset(&err, 0, sizeof err);
    }
    check_random random = {12};
    for (int i = 0; i < 1500; i++) {
        sib_alloc_counters before, after;
        sib_alloc_counters_get(&before);
        memcpy(bytes, zip, size);
        for (int k = 0; k < 1 + i % 3; k++)
            bytes[check_u64(&random) % size] = (unsigned char)check_u64(&random);
        if (sib_npz_load(write_file("c.npz", bytes, size), &entries, &n, &err) == SIB_OK)
            sib_npz_free(&entries, n);
        else
            assert_true(err.message[0] && !entries);
        memset(&err, 0, sizeof err);
        sib_alloc_counters_get(&after);
        assert_int_equal(before.bytes_current, after.bytes_current);
    }
    for (int i = 0; i < 100; i++) {
        for (size_t k = 0; k < 300; k++)
            bytes[k] = (unsigned char)check_u64(&random);
        CHECK_FAILS(sib_npz_load(write_file("c.npz", bytes, 300), &entries, &n, &err), SIB_ERR_FORMAT, err,
                    "c.npz");
    }
}

TEST(limits_are_of_all_arrays_together)
{
    sib_error err = SIB_ERROR_INIT;
    unsigned char member[128], zip[1024];
    const char *const names[] = {"a.npy", "b.npy"};
    const unsigned char *const data[] = {member, member};
    const size_t n_member = array_bytes(member), bytes[] = {n_member, n_member};
    sib_npz_entry *entries;
    size_t n;
    const char *path = write_file("l.npz", zip, make_zip(zip, names, data, bytes, 2, 0, 0));
    CHECK_OK(sib_npz_load_limited(path, 2 * n_member, &entries, &n, &err), err);
    assert_int_equal(n, 2);
    sib_npz_free(&entries, n);
    CHECK_FAILS(sib_npz_load_limited(path, n_member + 1, &entries, &n, &err), SIB_ERR_SIZE, err, "array 'b'");
    CHECK_FAILS(sib_npz_load_limited(path, 2, &entries, &n, &err), SIB_ERR_SIZE, err, "array 'a'");
    CHECK_FAILS(sib_npz_load_limited(NULL, 2, &entries, &n, &err), SIB_ERR_ARGUMENT, err, "path");
}

TEST(refusals)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {2};
    int files = files_in_folder();
    sib_npz_entry *entries = make_entries(3, &random), *back;
    size_t n;
    char *name = entries[2].name;
    entries[2].name = entries[0].name;
    CHECK_FAILS(sib_npz_save(in_folder("d.npz"), entries, 3, false, &err), SIB_ERR_ARGUMENT, err,
                "'array_0' is given twice");
    entries[2].name = (char *)"\xFF";
    CHECK_FAILS(sib_npz_save(in_folder("d.npz"), entries, 3, false, &err), SIB_ERR_ARGUMENT, err, "UTF-8");
    entries[2].name = NULL;
    CHECK_FAILS(sib_npz_save(in_folder("d.npz"), entries, 3, false, &err), SIB_ERR_ARGUMENT, err, "name");
    entries[2].name = name;
    CHECK_FAILS(sib_npz_save("/nonexistent/d.npz", entries, 3, false, &err), SIB_ERR_IO, err,
                "/nonexistent/d.npz");
    CHECK_FAILS(sib_npz_save(folder, entries, 3, false, &err), SIB_ERR_IO, err, folder);
    CHECK_FAILS(sib_npz_save(NULL, entries, 3, false, &err), SIB_ERR_ARGUMENT, err, "path");
    for (int compress = 0; compress < 2; compress++)
        CHECK_FAILS(sib_npz_save("/dev/full", entries, 3, compress, &err), SIB_ERR_IO, err, "/dev/full");
    CHECK_FAILS(sib_npz_load("/nonexistent/d.npz", &back, &n, &err), SIB_ERR_IO, err, "/nonexistent/d.npz");
    CHECK_FAILS(sib_npz_load(folder, &back, &n, &err), SIB_ERR_IO, err, folder);
    CHECK_FAILS(sib_npz_load(NULL, &back, &n, &err), SIB_ERR_ARGUMENT, err, "path");
    assert_int_equal(files_in_folder(), files);
    sib_tensor *bad;
    CHECK_OK(sib_tensor_create(SIB_STRING, 0, NULL, &bad, &err), err);
    CHECK_OK(sib_tensor_set_string(bad, NULL, (sib_str){"\xFF", 1}, &err), err);
    sib_npz_entry entry = {name, bad};
    CHECK_FAILS(sib_npz_save(in_folder("d.npz"), &entry, 1, false, &err), SIB_ERR_VALUE, err,
                "array 'array_2'");
    assert_int_equal(files_in_folder(), files);
    sib_tensor_free(&bad);
    drop_entries(entries, 3);
}

TEST(allocations)
{
    sib_error err = SIB_ERROR_INIT;
    check_random random = {6};
    const char *path = in_folder("e.npz");
    sib_npz_entry *entries = make_entries(26, &random), *back;
    size_t n;
    CHECK_EVERY_ALLOCATION(sib_npz_save(path, entries, 26, true, &err), (void)0);
    CHECK_EVERY_ALLOCATION(sib_npz_load(path, &back, &n, &err), sib_npz_free(&back, n));
    drop_entries(entries, 26);
}

TEST_FIXTURE(make_folder, drop_folder)
