#include "files.h"
#include "check_memory.h"

bytes file_safetensors(const char *header, const void *data, size_t n)
{
    bytes b = {0};
    f_u64(&b, strlen(header));
    f_text(&b, header);
    b_append(&b, data, n);
    return b;
}

const char *file_save(const char *folder, const char *name, bytes b)
{
    static char paths[16][400];
    static int next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b.data, 1, b.n, f), b.n);
    assert_int_equal(fclose(f), 0);
    b_free(&b);
    return path;
}

sib_code file_open(bytes b, checkpoint **out, sib_error *err)
{
    /* A block of the exact size, so that a read past the end is detected. */
    uint8_t *exact = malloc(b.n ? b.n : 1);
    assert_non_null(exact);
    if (b.n)
        memcpy(exact, b.data, b.n);
    sib_code code = checkpoint_open_bytes("sample", exact, b.n, out, err);
    free(exact);
    b_free(&b);
    return code;
}

void file_refused(bytes b, sib_code code, const char *words)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    CHECK_FAILS(file_open(b, &c, &err), code, err, words);
    assert_null(c);
}

void file_check_weight(const checkpoint *c, const char *name, size_t rank, const int64_t *dims,
                       const double *values)
{
    sib_error err = SIB_ERROR_INIT;
    const weight *w = checkpoint_find(c, name);
    uint64_t count;
    if (!w)
        fail_msg("no weight '%s'", name);
    assert_int_equal(w->rank, rank);
    for (size_t i = 0; i < rank; i++)
        assert_int_equal(w->dims[i], dims[i]);
    assert_true(weight_count(w, &count));
    double *got = malloc((size_t)count * sizeof *got + 1);
    assert_non_null(got);
    CHECK_OK(weight_read(w, 0, (size_t)count, SIB_F64, got, &err), err);
    for (size_t i = 0; i < count; i++)
        if (!(got[i] == values[i]))
            fail_msg("%s[%zu] is %.17g, expected %.17g", name, i, got[i], values[i]);
    free(got);
}

void file_check_memory(bytes b)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    CHECK_SOME_ALLOCATIONS(check_k + 1, checkpoint_open_bytes("sample", b.data, b.n, &c, &err), {
        assert_true(err.code == SIB_OK || !c);
        checkpoint_free(&c);
    });
    b_free(&b);
}
