/* A .npy, or a .npz: read, and where it is read written and read again to the same. */
#include "fuzz.h"

#include <sibyl/npy_file.h>
#include <string.h>

#define MAX_BYTES (UINT64_C(16) << 20)

static void read_again(const sib_tensor *t)
{
    sib_error err = SIB_ERROR_INIT;
    sib_npy_image *image = NULL;
    sib_code code = sib_npy_image_create(t, &image, &err);
    fuzz_code(code, &err);
    if (code != SIB_OK)
        return;
    size_t n_head, n_rest;
    const void *head = sib_npy_image_header(image, &n_head), *rest = sib_npy_image_data(image, &n_rest);
    fuzz_file f = fuzz_file_begin(head, n_head);
    fuzz_file_add(&f, rest, n_rest);
    sib_tensor *back = NULL;
    sib_comparison c;
    if (sib_npy_load(f.path, &back, &err) != SIB_OK)
        fuzz_fail("what was written is not read: %s", err.message);
    const sib_tolerance exact = {0, 0, 0};
    if (sib_tensor_compare(t, back, &exact, &c, &err) != SIB_OK || !c.equal)
        fuzz_fail("what was written is read as something else: %s", err.message);
    sib_tensor_free(&back);
    fuzz_file_end(&f);
    sib_npy_image_free(&image);
}

void fuzz_npy(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    sib_npz_entry *entries = NULL;
    size_t n_entries = 0;
    if (n >= 2 && !memcmp(data, "PK", 2)) {
        fuzz_code(sib_npz_load_bytes("fuzz", data, n, MAX_BYTES, &entries, &n_entries, &err), &err);
        sib_npz_free(&entries, n_entries);
        return;
    }
    sib_code code = sib_npy_load_bytes("fuzz", data, n, MAX_BYTES, &t, &err);
    fuzz_code(code, &err);
    if (code == SIB_OK)
        read_again(t);
    sib_tensor_free(&t);
}
