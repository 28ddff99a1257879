/* A checkpoint's file in any format: opened, its weights read at both ends, its facts found. */
#include "fuzz.h"
#include "import/read/reader.h"

static void read_weight(const checkpoint *c, const weight *w)
{
    sib_error err = SIB_ERROR_INIT;
    sib_tensor *t = NULL;
    double some[64];
    uint64_t n;
    if (checkpoint_find(c, w->name.data) != w || !weight_count(w, &n))
        fuzz_fail("weight '%s' is not found, or has no count", w->name.data);
    size_t part = n < 64 ? (size_t)n : 64;
    if (weight_read(w, 0, part, SIB_F64, some, &err) != SIB_OK ||
        weight_read(w, n - part, part, SIB_F64, some, &err) != SIB_OK)
        fuzz_fail("weight '%s' cannot be read: %s", w->name.data, err.message);
    if (weight_view(c, w, &t, &err) == SIB_OK ? sib_tensor_count(t) != n : err.code != SIB_ERR_UNSUPPORTED)
        fuzz_fail("weight '%s' has a view of another size, or none: %s", w->name.data, err.message);
    sib_tensor_free(&t);
}

void fuzz_checkpoint(const uint8_t *data, size_t n)
{
    sib_error err = SIB_ERROR_INIT;
    checkpoint *c = NULL;
    fuzz_code(checkpoint_open_bytes("fuzz", data, n, &c, &err), &err);
    for (size_t i = 0; c && i < checkpoint_weights(c); i++)
        read_weight(c, checkpoint_weight(c, i));
    for (size_t i = 0; c && checkpoint_fact_at(c, i); i++)
        if (checkpoint_fact(c, checkpoint_fact_at(c, i)->key.data) != checkpoint_fact_at(c, i))
            fuzz_fail("a fact is not found under its key");
    checkpoint_free(&c);
}
