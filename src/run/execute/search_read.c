/* What a search reads: the inputs of its node, and what its decoder gives. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/size.h"
#include "run/execute/search.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

/* ---- Inputs of the node ------------------------------------------------------------------------------- */

sib_code search_input(const search *s, size_t i, const sib_tensor **out, sib_error *err)
{
    static const sib_tensor other;
    const sib_value *v;
    *out = NULL;
    sib_code code = control_input(s->f, s->n, i, &v, err);
    if (code != SIB_OK || !v)
        return code;
    *out = sib_value_tensor(v);
    if (!*out)
        *out = &other;
    return SIB_OK;
}

sib_code search_ints(const search *s, size_t i, const char *what, size_t rank, const sib_tensor **out,
                     sib_error *err)
{
    sib_code code = search_input(s, i, out, err);
    if (code == SIB_OK && *out && ((*out)->dtype != SIB_I32 || (*out)->rank != rank))
        return err_set(err, SIB_ERR_ARGUMENT, "%s must be int32 of rank %zu", what, rank);
    return code;
}

sib_code search_int(const search *s, size_t i, const char *what, int64_t min, int64_t max, int64_t *out,
                    sib_error *err)
{
    const sib_tensor *t;
    sib_code code = search_input(s, i, &t, err);
    if (code != SIB_OK || !t)
        return code;
    if (t->dtype != SIB_I32 || t->count != 1)
        return err_set(err, SIB_ERR_ARGUMENT, "%s must be one int32", what);
    *out = *(const int32_t *)sib_tensor_data(t);
    if (*out < min || *out > max)
        return err_set(err, SIB_ERR_ARGUMENT, "%s is %lld, expected %lld to %lld", what, (long long)*out,
                       (long long)min, (long long)max);
    return SIB_OK;
}

sib_code search_float(const search *s, size_t i, const char *what, float *out, sib_error *err)
{
    const sib_tensor *t;
    sib_code code = search_input(s, i, &t, err);
    if (code != SIB_OK || !t)
        return code;
    if (t->count != 1 || sib_dtype_get_kind(t->dtype) != SIB_KIND_FLOAT)
        return err_set(err, SIB_ERR_ARGUMENT, "%s must be one float", what);
    return sib_convert(t->dtype, sib_tensor_data(t), SIB_F32, out, 1, SIB_OVERFLOW_IEEE, err);
}

sib_code search_new_ints(size_t rows, size_t n, sib_value **out, int32_t **to, sib_error *err)
{
    const int64_t dims[2] = {(int64_t)rows, (int64_t)n};
    sib_tensor *t = NULL;
    sib_code code = sib_tensor_create(SIB_I32, 2, dims, &t, err);
    if (code != SIB_OK)
        return code;
    *to = sib_tensor_data(t);
    return value_take_tensor(t, out, err);
}

/* ---- What the decoder gives ----------------------------------------------------------------------------- */

sib_code search_read_logits(search *s, const sib_value *v, size_t copies, sib_error *err)
{
    const sib_tensor *t = v ? sib_value_tensor(v) : NULL;
    if (!t || t->rank != 3 || (size_t)t->dims[0] != s->rows / copies || !t->dims[1] || !t->dims[2] ||
        sib_dtype_get_kind(t->dtype) != SIB_KIND_FLOAT)
        return err_set(err, SIB_ERR_FORMAT, "its decoder gives no logits [%zu, tokens, vocabulary] of floats",
                       s->rows / copies);
    const size_t n = (size_t)t->dims[1], all = (size_t)t->dims[2];
    const size_t vocab = s->spec.vocab_size > 0 ? (size_t)s->spec.vocab_size : all;
    if (vocab > all || (s->vocab && s->vocab != vocab))
        return err_set(err, SIB_ERR_FORMAT, "its decoder gives logits of %zu tokens, expected %zu", all,
                       s->vocab ? s->vocab : vocab);
    if ((s->vocab_mask && s->n_vocab_mask != vocab) || (s->prefix_mask && s->n_prefix_mask != vocab) ||
        (s->presence_mask && s->n_presence_mask != vocab))
        return err_set(err, SIB_ERR_ARGUMENT, "a mask of the vocabulary is not for %zu tokens", vocab);
    size_t count;
    if (!s->scores) {
        if (!size_mul(s->rows, vocab, &count))
            return err_set(err, SIB_ERR_SIZE, "%zu rows of %zu tokens are too many", s->rows, vocab);
        s->scores = mem_calloc(count, sizeof *s->scores);
        s->seen = mem_calloc(vocab, sizeof *s->seen);
        s->sorted = mem_calloc(vocab, sizeof *s->sorted);
        if (!s->scores || !s->seen || !s->sorted)
            return err_memory(err, count * sizeof *s->scores, "the scores of a search");
    }
    s->vocab = vocab;
    const char *logits = sib_tensor_data(t);
    sib_code code = SIB_OK;
    for (size_t r = 0; r < s->rows && code == SIB_OK; r++)
        code = sib_convert(t->dtype, logits + (r / copies * n + n - 1) * all * dtype_stride(t->dtype),
                           SIB_F32, s->scores + r * vocab, vocab, SIB_OVERFLOW_IEEE, err);
    return code;
}

void search_keep_states(search *s, body *decoder)
{
    for (size_t i = 0; i < s->layers; i++) {
        sib_value_free(&s->past[i]);
        s->past[i] = control_take(&decoder->out[1 + i]);
    }
}
