#include "base/alloc.h"
#include "base/error.h"
#include "job/call/batch.h"

/* The elements of a value of integers; mem_free(*out). */
static sib_code integers(const sib_value *v, int64_t **out, size_t *n, sib_error *err)
{
    const sib_tensor *t = sib_value_tensor(v);
    *n = (size_t)sib_tensor_count(t);
    *out = mem_alloc(*n + 1, sizeof **out);
    if (!*out)
        return err_memory(err, *n * sizeof **out, "tokens");
    return sib_convert(sib_tensor_dtype(t), sib_tensor_data(t), SIB_I64, *out, *n, SIB_OVERFLOW_IEEE, err);
}

sib_code job_batch_feed(sequence *s, const sib_value *tokens, const sib_value *at, const sib_cancel *cancel,
                        sib_value **logits, sib_error *err)
{
    int64_t *ids = NULL, *rows = NULL;
    size_t n = 0, m = 0;
    sib_code code = integers(tokens, &ids, &n, err);
    if (code == SIB_OK)
        code = integers(at, &rows, &m, err);
    if (code == SIB_OK)
        code = sequence_feed(s, ids, n, rows, m, cancel, logits, err);
    mem_free(ids);
    mem_free(rows);
    return code;
}
